import { DeltarError } from "../bytes/errors.ts";
import type { ByteReader } from "../bytes/byte_reader.ts";
import { checkCount, type DataRange } from "../tree/sparse.ts";
import { type PaxRecords, SPARSE } from "./pax.ts";
import { decodeCount } from "./tar_decode.ts";
import { BLOCK } from "./tar_member.ts";

/** The size and the data ranges of a sparse member of a tar. */
export interface SparseMember {
  /** The size of the file in bytes. */
  fileSize: number;
  /**
   * The ranges of the file that have data, if the content of the member is only
   * the data of these ranges. Absent if the content begins with a list of the
   * ranges.
   */
  ranges?: DataRange[];
}

/**
 * The length in bytes of each field for a number in GNU tar's header for a
 * sparse member.
 */
const FIELD_BYTES = 12;

/**
 * Reads the size and the ranges of a sparse member in GNU tar's own format,
 * which does not use pax. The header of type `S` has up to four ranges. Each
 * block after the header has up to 21 more ranges.
 *
 * @param block The header block.
 * @param reader The reader, positioned after the block.
 * @throws {DeltarError} `corrupt` if a number is invalid, `limit` if there are
 *   too many ranges, `truncated` if a block is missing.
 */
export async function sparseOfHeader(
  block: Uint8Array,
  reader: ByteReader,
): Promise<SparseMember> {
  const ranges: DataRange[] = [];
  const number = (from: Uint8Array, at: number) =>
    decodeCount(from.subarray(at, at + FIELD_BYTES), "size or range", reader);
  const add = (from: Uint8Array, start: number, count: number) => {
    for (
      let at = start;
      at < start + 2 * count * FIELD_BYTES;
      at += 2 * FIELD_BYTES
    ) {
      if (from[at + FIELD_BYTES] === 0) return;
      const length = number(from, at + FIELD_BYTES);
      ranges.push({ offset: number(from, at), length });
    }
    checkCount(ranges.length, reader);
  };
  const fileSize = number(block, 483);
  let isContinued = block[482] !== 0;
  add(block, 386, 4);
  while (isContinued) {
    const next = await reader.exactly(BLOCK, "the ranges of a sparse file");
    isContinued = next[504] !== 0;
    add(next, 0, 21);
  }
  return { fileSize, ranges };
}

/**
 * Returns the size and ranges of a sparse member from the records of an
 * extended header, or `undefined` if the member is not sparse. The formats are
 * GNU tar's PAX formats 0.0, 0.1 and 1.0.
 *
 * @param records The records.
 * @param reader The reader, positioned after the header, for messages.
 * @throws {DeltarError} `corrupt` if a number or the list of ranges is invalid,
 *   `unsupported` if the version of the format is unknown.
 */
export function sparseOfPax(
  records: PaxRecords,
  reader: ByteReader,
): SparseMember | undefined {
  // The values of these records are text. Only the values of extended
  // attributes and ACLs are bytes.
  const text = (key: string) =>
    records.get(`${SPARSE}${key}`) as string | undefined;
  const major = text("major") ?? "0";
  const map = text("map");
  const size = text("realsize") ?? text("size");
  if (major === "0" && size === undefined) return undefined;
  const fileSize = count(size, reader);
  if (major === "0") {
    return { fileSize, ranges: rangesIn(map ?? "", reader) };
  }
  if (major === "1" && text("minor") === "0") {
    return { fileSize };
  }
  throw unsupported("this format of a sparse tar member", reader);
}

/**
 * Throws an error if a global extended header, which applies to all members
 * after it, has records for sparse members.
 */
export function refuseGlobal(globals: PaxRecords, reader: ByteReader): void {
  if (!globals.keys().some((key) => key.startsWith(SPARSE))) return;
  throw unsupported("a global tar header for sparse members", reader);
}

function rangesIn(map: string, reader: ByteReader): DataRange[] {
  const numbers = map === "" ? [] : map.split(",");
  if (numbers.length % 2 !== 0) {
    throw reader.corrupt("invalid ranges of a sparse file in a pax header");
  }
  const ranges: DataRange[] = [];
  for (let at = 0; at < numbers.length; at += 2) {
    const offset = count(numbers[at], reader);
    ranges.push({ offset, length: count(numbers[at + 1], reader) });
  }
  return ranges;
}

function count(text: string | undefined, reader: ByteReader): number {
  const number = text !== undefined && /^\d{1,16}$/.test(text)
    ? Number(text)
    : NaN;
  if (Number.isSafeInteger(number)) return number;
  throw reader.corrupt("invalid number for a sparse file in a pax header");
}

function unsupported(what: string, reader: ByteReader): DeltarError {
  return new DeltarError(
    "unsupported",
    `${what} is not supported; extract the archive with GNU tar`,
    { object: reader.object, offset: reader.offset - BLOCK },
  );
}
