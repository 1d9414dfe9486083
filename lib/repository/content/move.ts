import { DeltarError } from "../../bytes/errors.ts";
import { isCount } from "../../bytes/is_count.ts";
import { decodeLines, encodeLines, type Line } from "../../bytes/listing.ts";
import { decodeObject, type ObjectRecord } from "../format/snapshot_record.ts";

/** A range of a volume and its position in the volume that replaced it. */
export interface MovedRange {
  /** The offset of the range in the old volume, in bytes. */
  offset: number;
  /** The length of the range in bytes. */
  length: number;
  /** The offset of the range in the new volume, in bytes. */
  to: number;
}

/**
 * A move: a repacked volume, and the new volume that has its needed frames.
 */
export interface Move {
  /** The old volume. */
  from: ObjectRecord;
  /** The new volume. */
  to: ObjectRecord;
  /**
   * The ranges that were copied to the new volume, in the order of their
   * offsets in the old volume.
   */
  ranges: MovedRange[];
}

const FORMAT = "deltar-move";
const VERSION = 1;

/** Encodes a move. */
export function encodeMove({ from, to, ranges }: Move): Uint8Array {
  const lines = ranges.map(({ offset, length, to }): Line => ({
    offset,
    length,
    to,
  }));
  return encodeLines(FORMAT, VERSION, { from, to }, lines);
}

/**
 * Reads a move and validates every field.
 *
 * @param bytes The object.
 * @param object The name of the object, for error messages.
 * @throws {DeltarError} `corrupt` or `truncated` if the move is damaged,
 * `limit` if its first line has too many JSON objects or arrays, `unsupported`
 * if its version is too new.
 */
export function decodeMove(bytes: Uint8Array, object: string): Move {
  const { header, lines } = decodeLines(bytes, FORMAT, VERSION, object);
  const from = decodeObject("volume", (header.from ?? {}) as Line, object, 0);
  const to = decodeObject("volume", (header.to ?? {}) as Line, object, 0);
  const ranges: MovedRange[] = [];
  let end = 0;
  for (const [line, at] of lines) {
    const { offset, length, to: start } = line;
    if (
      !isCount(offset) || !isCount(length) || !isCount(start) ||
      offset < end || offset + length > from.size || start + length > to.size
    ) {
      throw new DeltarError("corrupt", "a range of the move is invalid", {
        object,
        offset: at,
      });
    }
    end = offset + length;
    ranges.push({ offset, length, to: start });
  }
  return { from, to, ranges };
}

/**
 * Returns the offset in bytes that a range of the old volume has in the new
 * volume. Returns `undefined` if the range is not inside one of the moved
 * ranges.
 *
 * @param move The move.
 * @param offset The offset of the range in the old volume, in bytes.
 * @param length The length of the range, in bytes.
 */
export function findMoved(
  { ranges }: Move,
  offset: number,
  length: number,
): number | undefined {
  let low = 0;
  let high = ranges.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (ranges[middle].offset <= offset) low = middle + 1;
    else high = middle;
  }
  const range = ranges[low - 1];
  if (range === undefined) return undefined;
  const skip = offset - range.offset;
  return skip + length <= range.length ? range.to + skip : undefined;
}
