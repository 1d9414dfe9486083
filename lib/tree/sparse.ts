/**
 * Sparse files in condensed form.
 *
 * The condensed form of a file is a list of the ranges that have data, and then
 * the data of these ranges. It is the form in which GNU tar stores a sparse
 * file in PAX format, version 1.0. The list depends only on the content of the
 * file, not on the file system: every range of zeros of a minimum length, which
 * is 64 KiB in a file of at most 64 GiB, is a hole. Holes that the system
 * reports are not read, but the result is the same as if they were read. The
 * SHA-256 of the condensed form therefore identifies the content, as the
 * SHA-256 of an ordinary file does.
 *
 * @module
 */
import { Buffer } from "../bytes/node.ts";
import { ByteReader } from "../bytes/byte_reader.ts";
import { DeltarError, type ErrorContext } from "../bytes/errors.ts";
import { type ByteSource, chunks } from "../bytes/source.ts";
import { inTurns } from "../bytes/turns.ts";
import type { OpenFile } from "./folder.ts";
import type { FileStat } from "./statx.ts";

/** A range of data in a file. */
export interface DataRange {
  /** The offset in the file, in bytes. */
  offset: number;
  /** The length in bytes. */
  length: number;
}

/** The operations that are needed to condense an open file. */
export type SparseFile = Pick<OpenFile, "read" | "nextData">;

/** Bytes of a file, and their offset in the file. */
export interface PlacedBytes {
  /** The offset in the file, in bytes. */
  offset: number;
  /** The bytes. */
  bytes: Uint8Array;
}

/** The size of a block, in bytes. A hole consists of whole blocks of zeros. */
const BLOCK_BYTES = 4096;
/** The minimum length of a hole in a file of at most 64 GiB, in bytes. */
const MIN_HOLE_BYTES = 1 << 16;
/**
 * The maximum number of holes in a file. In a file of more than 64 GiB, the
 * minimum length of a hole is greater, so this number is never exceeded.
 */
const MAX_RANGES = 1 << 20;
/**
 * The size of a block of the list of ranges, in bytes. The list is padded with
 * NULs to whole blocks.
 */
const MAP_BLOCK_BYTES = 512;
/** The maximum number of zero bytes to yield or compare at once. */
const ZEROS_BYTES = 1 << 20;

const NEWLINE = 0x0a;
const encoder = new TextEncoder();

/**
 * Returns whether a file can have holes: whether its size exceeds the space
 * that it takes on the disk by at least 64 KiB.
 */
export function maySparse({ size, allocated }: FileStat): boolean {
  return allocated + MIN_HOLE_BYTES <= size;
}

/** Returns the minimum length of a hole in a file of a given size, in bytes. */
function minHole(size: number): number {
  let hole = MIN_HOLE_BYTES;
  while (hole * MAX_RANGES < size) hole *= 2;
  return hole;
}

/**
 * Finds the ranges of a file that have data. Yields without a value after each
 * part that is read, so the caller can interrupt the work.
 *
 * @param file The open file.
 * @param size The size of the file, in bytes.
 * @param buffer A buffer to read into. Its size is a multiple of 4,096 bytes
 * and at most 1 MiB.
 * @returns The ranges in order. A file without holes has one range, which
 * covers the whole file.
 * @throws The error of the system, with its `code`, if the file cannot be read.
 */
export function* findData(
  file: SparseFile,
  size: number,
  buffer: Uint8Array,
): Generator<void, DataRange[]> {
  const hole = minHole(size);
  const ranges: DataRange[] = [];
  /** The offset of the end of the last block that is not all zeros. */
  let end = 0;
  const add = (from: number, to: number) => {
    const last = ranges.at(-1);
    if (from - end >= hole) ranges.push({ offset: from, length: to - from });
    else if (last === undefined) ranges.push({ offset: 0, length: to });
    else last.length = to - last.offset;
    end = to;
  };
  for (let at = 0; at < size;) {
    const data = file.nextData(at);
    if (data === undefined) break;
    at = Math.max(at, data.start - data.start % BLOCK_BYTES);
    const past = Math.ceil(data.end / BLOCK_BYTES) * BLOCK_BYTES;
    for (const most = Math.min(size, past); at < most;) {
      const part = buffer.subarray(0, Math.min(buffer.length, most - at));
      const got = readFully(file, part, at);
      const isHole = isZero(part.subarray(0, got));
      for (let from = 0; from < got && !isHole; from += BLOCK_BYTES) {
        const to = Math.min(from + BLOCK_BYTES, got);
        if (!isZero(part.subarray(from, to))) add(at + from, at + to);
      }
      // If the file has become shorter, the missing bytes count as zeros.
      at += part.length;
      yield;
    }
  }
  if (size - end < hole) add(size, size);
  return ranges;
}

/**
 * Returns the list of ranges as the bytes at the beginning of a condensed form.
 */
export function encodeMap(
  ranges: readonly DataRange[],
  size: number,
): Uint8Array {
  // The last range is empty. Its offset is the size of the file, so the list
  // includes the size.
  const lines = [`${ranges.length + 1}\n`];
  for (const { offset, length } of ranges) lines.push(`${offset}\n${length}\n`);
  lines.push(`${size}\n0\n`);
  const text = encoder.encode(lines.join(""));
  const blocks = Math.ceil(text.length / MAP_BLOCK_BYTES);
  const map = new Uint8Array(blocks * MAP_BLOCK_BYTES);
  map.set(text);
  return map;
}

/** The condensed form of an open file. */
export class CondensedFile {
  /** The length of the condensed form, in bytes. */
  readonly size: number;
  readonly #file: SparseFile;
  readonly #ranges: readonly DataRange[];
  readonly #map: Uint8Array;

  /**
   * Makes the condensed form.
   *
   * @param file The open file.
   * @param size The size of the file, in bytes.
   * @param ranges The file's ranges, as `findData` returned them.
   */
  constructor(file: SparseFile, size: number, ranges: readonly DataRange[]) {
    this.#file = file;
    this.#ranges = ranges;
    this.#map = encodeMap(ranges, size);
    this.size = ranges.reduce((sum, range) => sum + range.length, 0) +
      this.#map.length;
  }

  /**
   * Yields the condensed form in parts. If the file has become shorter, the
   * missing bytes are zeros.
   *
   * @param buffer The buffer to read into. Each part is valid until the next
   * part is read.
   */
  *pieces(buffer: Uint8Array): Generator<Uint8Array> {
    yield this.#map;
    for (const { offset, length } of this.#ranges) {
      for (let at = 0; at < length;) {
        const part = buffer.subarray(0, Math.min(length - at, buffer.length));
        const got = readFully(this.#file, part, offset + at);
        part.fill(0, got);
        yield part;
        at += part.length;
      }
    }
  }
}

/**
 * Returns the condensed form of an open file; `undefined` if the file has no
 * hole of at least `minHole(size)` bytes.
 *
 * @param file The open file.
 * @param size The size of the file, in bytes.
 * @param buffer A buffer to read into, as for `findData`.
 * @param signal The signal that ends the work with the error code `aborted`.
 */
export async function condense(
  file: SparseFile,
  size: number,
  buffer: Uint8Array,
  signal: AbortSignal | undefined,
): Promise<CondensedFile | undefined> {
  const ranges = await inTurns(findData(file, size, buffer), signal);
  return hasHoles(ranges, size)
    ? new CondensedFile(file, size, ranges)
    : undefined;
}

/**
 * Returns whether a file with these ranges has a hole. A file with a hole is
 * stored in condensed form.
 */
function hasHoles(ranges: readonly DataRange[], size: number): boolean {
  return size > 0 && ranges[0]?.length !== size;
}

/**
 * Reads the list of ranges at the start of a condensed form, and leaves the
 * reader at the start of the data.
 *
 * @param reader The reader, at the start of the condensed form.
 * @throws {DeltarError} `corrupt` if the list is invalid; `limit` if it has
 * more than 1,048,578 ranges; `truncated` if it ends early.
 */
export async function readMap(reader: ByteReader): Promise<DataRange[]> {
  const ranges: DataRange[] = [];
  /**
   * The number of values left to read; `undefined` until the number of ranges
   * has been read.
   */
  let left: number | undefined;
  let value = 0;
  let digits = 0;
  let offset = 0;
  while (left !== 0) {
    const block = await reader.exactly(
      MAP_BLOCK_BYTES,
      "the list of ranges of a sparse file",
    );
    for (let at = 0; at < block.length && left !== 0; at++) {
      const digit = block[at] - 0x30;
      if (digit >= 0 && digit <= 9 && digits < 16) {
        value = value * 10 + digit;
        digits++;
        continue;
      }
      if (block[at] !== NEWLINE || digits === 0) {
        throw reader.corrupt(
          "the list of ranges of a sparse file is invalid",
        );
      }
      if (left === undefined) {
        checkCount(value, reader);
        left = 2 * value;
      } else {
        if (left % 2 === 0) offset = value;
        else ranges.push({ offset, length: value });
        left--;
      }
      value = 0;
      digits = 0;
    }
  }
  return ranges;
}

/**
 * Refuses a list with too many ranges.
 *
 * @throws {DeltarError} `limit` if there are more than 1,048,578 ranges, the
 * maximum that deltar writes.
 */
export function checkCount(count: number, place: ErrorContext): void {
  // A file can have one more range than holes, and the list has an empty range
  // at the end.
  const most = MAX_RANGES + 2;
  if (count <= most) return;
  const { object, offset } = place;
  throw new DeltarError(
    "limit",
    `a sparse file has too many ranges of data: ${count}, at most ${most}`,
    { object, offset },
  );
}

/**
 * Refuses ranges that overlap, are not in order, extend past the end of the
 * file, or have a total length other than `length`.
 *
 * @param ranges The ranges.
 * @param size The size of the file in bytes.
 * @param length The length of the data of all ranges in bytes.
 * @param place The name of the object, and the offset in it, for the error.
 * @throws {DeltarError} `corrupt` if the ranges are invalid.
 */
export function checkRanges(
  ranges: readonly DataRange[],
  size: number,
  length: number,
  place: ErrorContext,
): void {
  let end = 0;
  let sum = 0;
  for (const range of ranges) {
    if (range.offset < end || range.length > size - range.offset) {
      throw invalid(
        "overlap, are not in order or extend past the end of the file",
        place,
      );
    }
    end = range.offset + range.length;
    sum += range.length;
  }
  if (sum !== length) {
    throw invalid("do not add up to the length of the data", place);
  }
}

function invalid(what: string, { object, offset }: ErrorContext): DeltarError {
  return new DeltarError("corrupt", `the ranges of a sparse file ${what}`, {
    object,
    offset,
  });
}

/**
 * Yields the data of a condensed form, each part with its offset in the file.
 *
 * @param source The condensed form.
 * @param size The size of the file, in bytes.
 * @param condensed The length of the condensed form, in bytes.
 * @param object The name of the file or object, for errors.
 * @throws {DeltarError} `corrupt`, `limit` or `truncated` if the condensed form
 * is invalid or belongs to a file with a size other than `size`.
 */
export async function* placedData(
  source: ByteSource,
  size: number,
  condensed: number,
  object: string,
): AsyncGenerator<PlacedBytes> {
  const reader = new ByteReader(chunks(source), { object });
  try {
    const ranges = await readMap(reader);
    checkRanges(ranges, size, condensed - reader.offset, reader);
    const last = ranges.at(-1);
    if (last === undefined || last.offset + last.length !== size) {
      throw invalid("do not match the size of the file", reader);
    }
    yield* dataOf(reader, ranges);
    if (!await reader.atEnd()) {
      throw reader.corrupt("a sparse file has bytes after its data");
    }
  } finally {
    await reader.cancel();
  }
}

/**
 * Yields the data of the ranges, each part with its offset in the file. The
 * reader must be at the start of the data.
 */
export async function* dataOf(
  reader: ByteReader,
  ranges: readonly DataRange[],
): AsyncGenerator<PlacedBytes> {
  for (const { offset, length } of ranges) {
    for (let at = 0; at < length;) {
      const bytes = await reader.some(length - at);
      if (bytes === undefined) throw reader.truncated("a sparse file");
      yield { offset: offset + at, bytes };
      at += bytes.length;
    }
  }
}

/**
 * Yields the whole content of a sparse file, with zeros for its holes.
 *
 * @param data The data in order, with its offsets.
 * @param size The size of the file, in bytes.
 */
export async function* filled(
  data: AsyncIterable<PlacedBytes>,
  size: number,
): AsyncGenerator<Uint8Array> {
  let at = 0;
  const upTo = function* (end: number) {
    while (at < end) {
      const length = Math.min(end - at, ZEROS_BYTES);
      at += length;
      // The caller may keep or change the bytes, so each part is a new array.
      yield new Uint8Array(length);
    }
  };
  for await (const { offset, bytes } of data) {
    yield* upTo(offset);
    at += bytes.length;
    yield bytes;
  }
  yield* upTo(size);
}

/**
 * The content of a sparse file as a source. The source yields the whole
 * content, with zeros for the holes. Code that recognizes this class can read
 * `data` instead, which does not include the holes.
 */
export class SparseSource implements AsyncIterable<Uint8Array> {
  /** The size of the file, in bytes. */
  readonly size: number;
  /** The data in order, with its offsets. */
  readonly data: AsyncIterable<PlacedBytes>;

  /**
   * Makes a source.
   *
   * @param data The data in order, with its offsets.
   * @param size The size of the file, in bytes.
   */
  constructor(data: AsyncIterable<PlacedBytes>, size: number) {
    this.data = data;
    this.size = size;
  }

  /** Yields the whole content. */
  [Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    return filled(this.data, this.size);
  }
}

/**
 * Yields the given bytes, but omits each block that has only zeros. A block
 * begins at a multiple of 4,096 bytes in the file. Of the first and the last
 * block, only the given bytes are examined.
 *
 * @param placed The bytes and their offset in the file.
 */
export function* withoutZeros(
  { offset, bytes }: PlacedBytes,
): Generator<PlacedBytes> {
  let start = 0;
  for (let at = 0; at < bytes.length;) {
    const past = (offset + at) % BLOCK_BYTES;
    const end = Math.min(bytes.length, at + BLOCK_BYTES - past);
    if (isZero(bytes.subarray(at, end))) {
      if (start < at) {
        yield { offset: offset + start, bytes: bytes.subarray(start, at) };
      }
      start = end;
    }
    at = end;
  }
  if (start < bytes.length) {
    yield { offset: offset + start, bytes: bytes.subarray(start) };
  }
}

const ZEROS = new Uint8Array(ZEROS_BYTES);

/** Returns whether all bytes are zero. At most 1 MiB may be passed. */
function isZero(bytes: Uint8Array): boolean {
  if (bytes[0] !== 0) return false;
  return Buffer.compare(bytes, ZEROS.subarray(0, bytes.length)) === 0;
}

/**
 * Reads the bytes at an offset in a file until the buffer is full or the file
 * ends. Returns the number of bytes read.
 */
function readFully(
  file: SparseFile,
  buffer: Uint8Array,
  offset: number,
): number {
  let got = 0;
  while (got < buffer.length) {
    const more = file.read(buffer.subarray(got), offset + got);
    if (more === 0) break;
    got += more;
  }
  return got;
}
