const MIN_BLOCK_BYTES = 1024;
/** The maximum number of blocks of a signature. */
const MAX_BLOCKS = 2 ** 22;
/** The file size in bytes that is assumed for a stream of unknown size. */
const UNKNOWN_SIZE = 2 ** 29;

/**
 * Returns the block size for a file: a power of two near `sqrt(fileSize / 32)`,
 * and at least 1,024. With this size, the signature and the literals around
 * some hundreds of scattered edits cost about the same. With a power of two,
 * pages of databases and disk images that moved as a whole are found again.
 *
 * @param fileSize The size of the file in bytes. Default: the assumed size of a
 *   stream of unknown size.
 * @returns The block size in bytes.
 * @throws {RangeError} If `fileSize` is not a non-negative safe integer.
 *
 * @example
 * ```ts
 * import { chooseBlockSize } from "@deltar/deltar/delta";
 * import assert from "node:assert/strict";
 *
 * assert.equal(chooseBlockSize(100_000), 1024);
 * assert.equal(chooseBlockSize(2 ** 29), 4096);
 * ```
 */
export function chooseBlockSize(fileSize: number = UNKNOWN_SIZE): number {
  if (!Number.isSafeInteger(fileSize) || fileSize < 0) {
    throw new RangeError("fileSize must be a non-negative safe integer");
  }
  const wanted = Math.max(
    MIN_BLOCK_BYTES,
    Math.sqrt(fileSize / 32),
    fileSize / MAX_BLOCKS,
  );
  return 2 ** Math.ceil(Math.log2(wanted));
}

/**
 * Returns the number of bytes to keep of each strong sum. With it, the
 * probability of any false match in a file of the basis's size is below 2^-64,
 * where each position is compared with each block of the same 32-bit weak sum.
 *
 * @param fileSize The size of the basis in bytes.
 * @param blockSize The size of a block in bytes.
 * @returns A length from 8 to 32 bytes.
 */
export function chooseStrongLength(
  fileSize: number = UNKNOWN_SIZE,
  blockSize: number = chooseBlockSize(fileSize),
): number {
  const pairs = Math.log2(fileSize + 1) + Math.log2(fileSize / blockSize + 1);
  return Math.min(32, Math.max(8, Math.ceil((64 + pairs - 32) / 8)));
}
