import type { Codec } from "../../archive/codec.ts";
import { ObjectWriter } from "../../archive/object_writer.ts";
import { BLOCK } from "../../archive/tar_member.ts";
import { DeltarError } from "../../bytes/errors.ts";
import { toHex } from "../../bytes/hex.ts";
import { createSha256 } from "../../bytes/sha256.ts";
import { concat } from "../../bytes/source.ts";
import type { Storage } from "../../storage/storage.ts";
import type { Move, MovedRange } from "../content/move.ts";
import type { ObjectRecord } from "../format/snapshot_record.ts";

/** A range of an old volume that is copied to the new volume. */
export interface KeptRange {
  /** The offset of the range in the old volume, in bytes. */
  offset: number;
  /** The length of the range in bytes. */
  length: number;
  /**
   * Called with the bytes of the range, if the range also has file contents
   * that are not needed. Returns bytes of the same length in which these
   * contents are overwritten.
   */
  change?: (bytes: Uint8Array) => Promise<Uint8Array>;
}

/**
 * Writes a new volume with only the needed frames of an old one. Ranges without
 * a `change` are copied without being decompressed. The whole old volume is
 * read and checked against its SHA-256, so that damaged frames do not get a
 * valid checksum.
 *
 * @param storage The repository's storage.
 * @param from The old volume.
 * @param ranges The ranges to keep: whole frames that do not overlap, sorted by
 * offset.
 * @param name The name of the new volume.
 * @param codec The compression of both volumes.
 * @param signal The signal that ends the work with an error of code `aborted`.
 * @returns The move from the old volume to the new one.
 * @throws {DeltarError} `corrupt` or `truncated` if the old volume is damaged;
 * `not-found` if it is missing; also the errors of the storage. If the old
 * volume is damaged or missing, nothing is stored.
 */
export async function repackVolume(
  storage: Storage,
  from: ObjectRecord,
  ranges: readonly KeptRange[],
  name: string,
  codec: Codec,
  signal?: AbortSignal,
): Promise<Move> {
  const writer = new ObjectWriter(storage, name, signal);
  const moved: MovedRange[] = [];
  const sum = createSha256();
  let at = 0;
  let next = 0;
  /**
   * The bytes of the current range that have been read so far. Empty if the
   * range is copied without a change.
   */
  const held: Uint8Array[] = [];
  try {
    for await (const part of storage.get(from.name, { signal })) {
      sum.update(part);
      const end = at + part.length;
      while (next < ranges.length && ranges[next].offset < end) {
        const { offset, length, change } = ranges[next];
        if (offset >= at) moved.push({ offset, length, to: writer.size });
        const start = Math.max(offset, at) - at;
        const stop = Math.min(offset + length, end) - at;
        const piece = part.subarray(start, stop);
        if (change !== undefined) held.push(piece.slice());
        else if (stop > start) await writer.write(piece);
        if (offset + length > end) break;
        if (change !== undefined) {
          await writer.write(await change(concat(held.splice(0))));
        }
        next++;
      }
      at = end;
    }
    if (at !== from.size || toHex(sum.digest()) !== from.sha256) {
      throw new DeltarError(
        "corrupt",
        "the volume's size or SHA-256 differs from the recorded one",
        {
          object: from.name,
        },
      );
    }
    if (next < ranges.length) {
      throw new DeltarError(
        "corrupt",
        "the volume is too short for a range that files need",
        {
          object: from.name,
          offset: ranges[next].offset,
        },
      );
    }
    await writer.write(await codec.compress(new Uint8Array(2 * BLOCK)));
    return { from, to: await writer.finish(codec), ranges: moved };
  } catch (error) {
    await writer.abort(error);
    throw error;
  }
}
