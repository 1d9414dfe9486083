import { DeltarError } from "../bytes/errors.ts";
import { toHex } from "../bytes/hex.ts";
import type { Line } from "../bytes/listing.ts";
import { isCount } from "../bytes/is_count.ts";
import { fs } from "../bytes/node.ts";
import { createSha256, sha256 } from "../bytes/sha256.ts";
import { concat } from "../bytes/source.ts";
import { turnIfDue } from "../bytes/turns.ts";
import { fileError, readFileBytes } from "./file.ts";
import { FileRange, PAGE_BYTES, readAt } from "./file_range.ts";
import { PLATFORM } from "./this_system.ts";

const NEWLINE = 10;
const SUM_BYTES = 32;
/** The maximum number of bytes that are read or written at a time. */
const PART_BYTES = 1 << 20;
/** The default of {@linkcode StateFileOptions.minPaged}, in bytes. */
const MIN_PAGED_BYTES = 2 ** 24;

/** The content of the file of a remembered state. */
export interface StateFile {
  /** The fields of the first line. */
  head: Line;
  /**
   * The states of all folders, in memory or as a range of the open file. The
   * caller must close this range.
   */
  blocks: Uint8Array | FileRange;
  /** The rows of the entries. See `StoredEntries.bytes`. */
  rows: Uint8Array;
}

/** Options for reading the file of a remembered state. */
export interface StateFileOptions {
  /**
   * Called with the bytes of the file and its path. Returns the decrypted
   * bytes. Absent if the file is not encrypted.
   */
  decrypt?: (bytes: Uint8Array, file: string) => Promise<Uint8Array>;
  /** The maximum size of the file in bytes. */
  most: number;
  /**
   * The minimum size, in bytes, of a file that stays open, so that the states
   * of the folders can be read when they are needed. A smaller file is read
   * into memory and closed. Default: 16 MiB.
   */
  minPaged?: number;
}

/**
 * Reads the file of a remembered state, and checks its SHA-256. If the file is
 * large and not encrypted, the states of the folders are not kept in memory.
 * When they are needed, they are read again from the open file, and checked
 * again. In the meantime, another file can take the name of the open file.
 *
 * @param file The path of the file.
 * @param options Options for reading.
 * @throws {DeltarError} `corrupt` or `truncated` if the file is damaged;
 * `limit` if the file is too large; `not-found` or `io` if it cannot be read;
 * the errors of `decrypt`.
 * @throws {SyntaxError} If the first line of the file is not JSON.
 */
export async function readStateFile(
  file: string,
  { decrypt, most, minPaged = MIN_PAGED_BYTES }: StateFileOptions,
): Promise<StateFile> {
  // On Windows, an open file cannot be replaced, so the file is not kept open.
  const mayPage = decrypt === undefined && PLATFORM !== "win32";
  if (mayPage && await sizeOf(file) >= minPaged) {
    return await readPaged(file, most);
  }
  const bytes = await readFileBytes(file, undefined, most);
  // An encrypted file is authenticated, so it has no SHA-256 at its end.
  const plain = await decrypt?.(bytes, file) ?? withoutSum(bytes, file);
  const start = plain.indexOf(NEWLINE) + 1;
  const head = decodeHead(plain.subarray(0, start), file);
  const middle = middleOf(head, start, plain.length, file);
  return {
    head,
    blocks: aligned(plain.subarray(start, middle)),
    rows: aligned(plain.subarray(middle)),
  };
}

/** Returns the size of a file in bytes. */
async function sizeOf(file: string): Promise<number> {
  try {
    return (await fs.promises.stat(file)).size;
  } catch (cause) {
    throw fileError(cause, file);
  }
}

/**
 * Reads and checks a file. Instead of keeping the states of the folders in
 * memory, keeps the file open.
 *
 * @param file The path of the file.
 * @param most The maximum size of the file in bytes.
 */
async function readPaged(file: string, most: number): Promise<StateFile> {
  const opened = open(file);
  try {
    // The file might have been replaced after its size was looked up.
    const { size } = fs.fstatSync(opened);
    if (size > most) {
      throw new DeltarError(
        "limit",
        `file too large: ${size} bytes, at most ${most}`,
        { object: file },
      );
    }
    const end = size - SUM_BYTES;
    const line = readLine(opened, end, file);
    const first = line.length;
    const head = decodeHead(line, file);
    const middle = middleOf(head, first, end, file);
    const sum = createSha256();
    sum.update(line);
    const blocks = new FileRange(opened, first, middle - first);
    const buffer = new Uint8Array(PAGE_BYTES);
    for (let at = first, page = 0; at < middle; page++) {
      const part = buffer.subarray(0, blocks.lengthOf(page));
      readAt(opened, part, at);
      sum.update(part);
      blocks.remember(page, part);
      at += part.length;
      const turn = turnIfDue();
      if (turn !== undefined) await turn;
    }
    const rows = new Uint8Array(end - middle);
    for (let at = 0; at < rows.length; at += PART_BYTES) {
      const part = rows.subarray(at, at + PART_BYTES);
      readAt(opened, part, middle + at);
      sum.update(part);
      const turn = turnIfDue();
      if (turn !== undefined) await turn;
    }
    const expected = new Uint8Array(SUM_BYTES);
    readAt(opened, expected, end);
    if (toHex(sum.digest()) !== toHex(expected)) throw invalidState(file);
    return { head, blocks, rows };
  } catch (error) {
    fs.closeSync(opened);
    throw error;
  }
}

/** Opens a file for reading and returns its descriptor. */
function open(file: string): number {
  try {
    return fs.openSync(file, "r");
  } catch (cause) {
    throw fileError(cause, file);
  }
}

/**
 * Returns the first line of an open file, including the newline. The content of
 * the file ends at the offset `end`.
 */
function readLine(opened: number, end: number, object: string): Uint8Array {
  const parts: Uint8Array[] = [];
  for (let at = 0; at < end; at += PART_BYTES) {
    const part = new Uint8Array(Math.min(PART_BYTES, end - at));
    readAt(opened, part, at);
    const length = part.indexOf(NEWLINE) + 1;
    parts.push(length > 0 ? part.subarray(0, length) : part);
    if (length > 0) return concat(parts);
  }
  throw invalidState(object);
}

/**
 * Yields the bytes of the file of a remembered state, without a SHA-256. The
 * first line is padded with spaces to a multiple of four bytes. Each part is
 * valid until the next one is requested.
 *
 * @param head The fields of the first line. The field `blocks`, the length of
 * the states in bytes, is added.
 * @param blocks The states of all folders.
 * @param rows The rows of the entries.
 */
export function* encodeStateFile(
  head: Line,
  blocks: Uint8Array,
  rows: Uint8Array,
): Generator<Uint8Array> {
  const json = JSON.stringify({ ...head, blocks: blocks.length });
  const line = new TextEncoder().encode(json);
  const start = new Uint8Array(line.length + 4 & ~3).fill(0x20);
  start.set(line);
  start[start.length - 1] = NEWLINE;
  // The bytes can be in shared memory, which some functions do not accept, so
  // they are copied.
  const buffer = new Uint8Array(PART_BYTES);
  for (const bytes of [start, blocks, rows]) {
    for (let at = 0; at < bytes.length; at += PART_BYTES) {
      const part = bytes.subarray(at, at + PART_BYTES);
      buffer.set(part);
      yield buffer.subarray(0, part.length);
    }
  }
}

/** Yields the parts of a file, and then their SHA-256. */
export function* withSum(parts: Iterable<Uint8Array>): Generator<Uint8Array> {
  const sum = createSha256();
  for (const part of parts) {
    sum.update(part);
    yield part;
  }
  yield sum.digest();
}

/** Returns the error for an invalid file of a remembered state. */
export function invalidState(object: string): DeltarError {
  return new DeltarError("corrupt", "the state cache is invalid", { object });
}

/** Checks the SHA-256 at the end of a file, and returns the bytes before it. */
function withoutSum(bytes: Uint8Array, object: string): Uint8Array {
  const content = bytes.subarray(0, -SUM_BYTES);
  const sum = toHex(bytes.subarray(content.length));
  if (toHex(sha256(content)) !== sum) throw invalidState(object);
  return content;
}

function decodeHead(bytes: Uint8Array, object: string): Line {
  if (bytes.length === 0 || bytes.length % 4 !== 0) throw invalidState(object);
  return JSON.parse(new TextDecoder().decode(bytes));
}

/** Returns the offset of the rows in a file. */
function middleOf(
  { blocks }: Line,
  start: number,
  end: number,
  object: string,
): number {
  const isValid = isCount(blocks) && blocks % 4 === 0 && blocks <= end - start;
  if (!isValid) throw invalidState(object);
  return start + blocks;
}

/**
 * Copies the bytes if their offset in their buffer is not a multiple of four.
 * Returns the bytes or the copy, which can be read as 32-bit words.
 */
function aligned(bytes: Uint8Array): Uint8Array {
  return bytes.byteOffset % 4 === 0 ? bytes : bytes.slice();
}
