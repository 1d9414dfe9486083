import { Buffer } from "../bytes/node.ts";
import { DeltarError } from "../bytes/errors.ts";
import { toHex } from "../bytes/hex.ts";
import { createSha256, sha256 } from "../bytes/sha256.ts";
import { type ByteSource, chunks } from "../bytes/source.ts";
import type { OpenFile } from "./folder.ts";
import { MAX_WHOLE_BYTES } from "./read_file.ts";
import { type PlacedBytes, placedData, withoutZeros } from "./sparse.ts";

/**
 * The number of written bytes after which a file is flushed. On Linux, a
 * process that is killed during a flush ends only when the flush is complete,
 * so each flush must be short.
 */
const MAX_UNFLUSHED_BYTES = 1 << 24;

const ZEROS = new Uint8Array(MAX_WHOLE_BYTES);

/** The size and checksum that a file's content must have. */
export interface ExpectedContent {
  /** The length in bytes. */
  size: number;
  /** The SHA-256 in hexadecimal. */
  sha256: string;
  /**
   * The length of the condensed form in bytes, if the content is passed in this
   * form. `sha256` is then the checksum of the condensed form, and `size` is
   * the size of the file.
   */
  sparse?: number;
}

/**
 * Writes a new file from a single array. Returns the size and checksum of its
 * content. If `expected` is `undefined`, the checksum is not computed, and the
 * returned `sha256` is empty.
 *
 * @param file The open file, which must be empty.
 * @param bytes The content.
 * @param expected The size and checksum that the content must have, if known.
 * The caller compares them with the result.
 */
export function writeWhole(
  file: OpenFile,
  bytes: Uint8Array,
  expected: ExpectedContent | undefined,
): ExpectedContent {
  file.write(bytes, 0);
  const sum = expected === undefined ? "" : toHex(sha256(bytes));
  return { size: bytes.length, sha256: sum };
}

/**
 * Writes a new file part by part, with a hole for each part that consists of
 * zeros. Returns the size and checksum of its content.
 *
 * @param file The open file, which must be empty.
 * @param source The content.
 * @param flushes Whether the file is flushed after every 16 MiB of data. The
 * data after the last of these flushes is not flushed.
 * @param expected The size and checksum that the content must have, if known.
 * Only the size is used, to choose how the checksum is computed. The caller
 * compares the values with the result.
 */
export async function writePieces(
  file: OpenFile,
  source: ByteSource,
  flushes: boolean,
  expected?: ExpectedContent,
): Promise<ExpectedContent> {
  const sum = createSha256(expected?.size);
  let size = 0;
  let waiting = 0;
  let flushing: Promise<void> | undefined;
  try {
    for await (const piece of chunks(source)) {
      sum.update(piece);
      // A range of zeros that is not written becomes a hole if the file system
      // supports holes.
      const isHole = isZero(piece);
      if (!isHole) file.write(piece, size);
      size += piece.length;
      if (isHole || !flushes) continue;
      waiting += piece.length;
      if (waiting < MAX_UNFLUSHED_BYTES) continue;
      waiting = 0;
      await flushing;
      flushing = file.flush();
      // The error is handled where the flush is awaited.
      flushing.catch(() => {});
    }
    await flushing;
  } finally {
    // The flush must end before the caller closes the file.
    await flushing?.catch(() => {});
  }
  file.truncate(size);
  return { size, sha256: toHex(sum.digest()) };
}

/**
 * Writes a new sparse file, with a hole wherever the file has no data or only
 * zeros. Returns the size of the file, and the length and checksum of the
 * condensed form.
 *
 * @param file The open file, which must be empty.
 * @param source The content in condensed form.
 * @param size The size of the file in bytes.
 * @param sparse The length of the condensed form in bytes.
 * @param path The path below the root, for errors.
 * @param flushes Whether the file is flushed after every 16 MiB of data. The
 * data after the last of these flushes is not flushed.
 * @throws {DeltarError} The errors of `placedData`.
 */
export async function writeSparse(
  file: OpenFile,
  source: ByteSource,
  { size, sparse, path }: { size: number; sparse: number; path: string },
  flushes: boolean,
): Promise<ExpectedContent> {
  const sum = createSha256();
  const summed = async function* () {
    for await (const piece of chunks(source)) {
      sum.update(piece);
      yield piece;
    }
  };
  const data = placedData(summed(), size, sparse, path);
  await writeData(file, data, size, flushes);
  return { size, sha256: toHex(sum.digest()), sparse };
}

/**
 * Writes a new file from its data, with a hole wherever the file has no data or
 * only zeros.
 *
 * @param file The open file, which must be empty.
 * @param data The data in order, with its offsets.
 * @param size The size of the file in bytes.
 * @param flushes Whether the file is flushed after every 16 MiB of data. The
 * data after the last of these flushes is not flushed.
 */
export async function writeData(
  file: OpenFile,
  data: AsyncIterable<PlacedBytes>,
  size: number,
  flushes: boolean,
): Promise<void> {
  let waiting = 0;
  for await (const placed of data) {
    for (const { offset, bytes } of withoutZeros(placed)) {
      file.write(bytes, offset);
      waiting += bytes.length;
    }
    if (!flushes || waiting < MAX_UNFLUSHED_BYTES) continue;
    waiting = 0;
    await file.flush();
  }
  file.truncate(size);
}

/**
 * Checks that content has the expected size and checksum.
 *
 * @param path The path below the root, for the error.
 * @param got The size and checksum of the content.
 * @param expected The size and checksum that the content must have; `undefined`
 * if any content is accepted.
 * @throws {DeltarError} `mismatch` if the size or the checksum differs.
 */
export function checkContent(
  path: string,
  got: ExpectedContent,
  expected: ExpectedContent | undefined,
): void {
  if (expected === undefined) return;
  if (got.size !== expected.size || got.sha256 !== expected.sha256) {
    throw new DeltarError(
      "mismatch",
      `the content to be written is wrong: ${got.size} bytes with SHA-256 ` +
        `${got.sha256}, expected ${expected.size} bytes with SHA-256 ` +
        expected.sha256,
      { path },
    );
  }
}

function isZero(piece: Uint8Array): boolean {
  for (let at = 0; at < piece.length; at += ZEROS.length) {
    const part = piece.subarray(at, at + ZEROS.length);
    if (part[0] !== 0) return false;
    if (Buffer.compare(part, ZEROS.subarray(0, part.length)) !== 0) {
      return false;
    }
  }
  return true;
}
