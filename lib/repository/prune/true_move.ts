import { isDamage } from "../../bytes/errors.ts";
import { toHex } from "../../bytes/hex.ts";
import { createSha256 } from "../../bytes/sha256.ts";
import type { Storage } from "../../storage/storage.ts";
import { followMoves } from "../content/follow_moves.ts";
import type { Move } from "../content/move.ts";

/** A range of an object, in bytes. */
interface Range {
  offset: number;
  length: number;
}

/**
 * Returns whether the new volume of a move has the same bytes in the moved
 * ranges as the old volume. Returns false if one of the volumes is damaged or
 * missing. Reads the moved ranges of both volumes. A prune must check a move
 * before it deletes the old volume, because anyone who can add objects can
 * store a false move.
 *
 * @param storage The repository's storage.
 * @param move The move.
 * @throws {DeltarError} The errors of the storage, except errors about damaged
 * or missing volumes.
 */
export async function isTrueMove(
  storage: Storage,
  { from, to, ranges }: Move,
): Promise<boolean> {
  if (from.name === to.name) return false;
  const moved = ranges.map(({ to, length }) => ({ offset: to, length }));
  try {
    return await sumOf(storage, from.name, ranges) ===
      await sumOf(storage, to.name, moved);
  } catch (error) {
    if (isDamage(error)) return false;
    throw error;
  }
}

/**
 * Returns the SHA-256 of the concatenated ranges of a volume, in hexadecimal.
 */
async function sumOf(
  storage: Storage,
  name: string,
  ranges: readonly Range[],
): Promise<string> {
  const sum = createSha256();
  const reading = followMoves(storage);
  for (const { offset, length } of joined(ranges)) {
    for await (const part of reading.get(name, { offset, length })) {
      sum.update(part);
    }
  }
  return toHex(sum.digest());
}

/** Merges adjacent ranges, so that fewer requests are needed. */
function joined(ranges: readonly Range[]): Range[] {
  const all: Range[] = [];
  for (const { offset, length } of ranges) {
    const last = all.at(-1);
    if (last !== undefined && last.offset + last.length === offset) {
      last.length += length;
    } else all.push({ offset, length });
  }
  return all;
}
