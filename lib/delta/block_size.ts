const SMALLEST_BLOCK = 1024;
/** The maximum number of blocks of a signature, for files of any size. */
const MOST_BLOCKS = 2 ** 22;
/** Block size and strong sum when the size of a stream is not known. */
const UNKNOWN_SIZE = 2 ** 29;

/**
 * The block size for a file: a power of two near `sqrt(fileSize / 32)`, where
 * the signature and the literals around some hundreds of scattered edits cost
 * about the same, and at least 1,024. A power of two lets pages of databases
 * and disk images that moved as a whole be found again.
 *
 * @param fileSize Size of the file in bytes; by default that of a stream whose
 * size is not known.
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
    SMALLEST_BLOCK,
    Math.sqrt(fileSize / 32),
    fileSize / MOST_BLOCKS,
  );
  return 2 ** Math.ceil(Math.log2(wanted));
}

/**
 * Returns the number of bytes of each strong sum to keep, so that a chance false match
 * anywhere in a file of the basis's size has a probability below 2^-64: each
 * position is compared with each block whose 32-bit weak sum is the same.
 *
 * @param fileSize Size of the basis in bytes.
 * @param blockSize Size of a block in bytes.
 * @returns A length from 8 to 32 bytes.
 */
export function chooseStrongLength(
  fileSize: number = UNKNOWN_SIZE,
  blockSize: number = chooseBlockSize(fileSize),
): number {
  const pairs = Math.log2(fileSize + 1) + Math.log2(fileSize / blockSize + 1);
  return Math.min(32, Math.max(8, Math.ceil((64 + pairs - 32) / 8)));
}
