const MIN_BLOCK_BYTES = 1024;
/** The maximum number of blocks that a file is divided into. */
const MAX_BLOCKS = 2 ** 22;
/** The file size in bytes that is assumed for a stream of unknown size. */
const ASSUMED_FILE_BYTES = 2 ** 29;

/**
 * Returns the block size for a file: `sqrt(fileSize / 32)` rounded up to a
 * power of two, and at least 1,024. Above a file size of 1 TiB, blocks are
 * larger, so that a file has at most 2^22 blocks. With the returned block size,
 * the signature takes about as much space as the literals of a few hundred
 * scattered edits. The pages of databases and disk images have sizes that are
 * powers of two, so a page consists of whole blocks, or a block consists of
 * whole pages.
 *
 * @param fileSize The size of the file in bytes. Default: 512 MiB, which is
 *   assumed for a stream of unknown size.
 * @returns The block size in bytes.
 * @throws {RangeError} If `fileSize` is not an integer from 0 to 2^53 - 1.
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
export function chooseBlockSize(fileSize: number = ASSUMED_FILE_BYTES): number {
  if (!Number.isSafeInteger(fileSize) || fileSize < 0) {
    throw new RangeError(
      `fileSize is not an integer from 0 to ${Number.MAX_SAFE_INTEGER}: ${fileSize}`,
    );
  }
  const wanted = Math.max(
    MIN_BLOCK_BYTES,
    Math.sqrt(fileSize / 32),
    fileSize / MAX_BLOCKS,
  );
  return 2 ** Math.ceil(Math.log2(wanted));
}

/**
 * Returns the number of bytes to keep of each strong sum. With this number, the
 * probability that a search in a file as large as the basis finds a false match
 * is below 2^-64. The calculation takes into account that the search compares
 * the strong sum of a window only with the strong sums of blocks that have the
 * same 32-bit weak sum. The block after a match is compared by its strong sum
 * alone, but this adds only a few comparisons.
 *
 * @param fileSize The size of the basis in bytes. Default: 512 MiB.
 * @param blockSize The size of a block in bytes. Default: the result of
 *   {@linkcode chooseBlockSize}.
 * @returns A length from 8 to 32 bytes.
 * @throws {RangeError} If `blockSize` is not set and `fileSize` is not an
 *   integer from 0 to 2^53 - 1.
 *
 * @example
 * ```ts
 * import { chooseStrongLength } from "@deltar/deltar/delta";
 * import assert from "node:assert/strict";
 *
 * assert.equal(chooseStrongLength(100_000), 8);
 * assert.equal(chooseStrongLength(2 ** 40), 12);
 * ```
 */
export function chooseStrongLength(
  fileSize: number = ASSUMED_FILE_BYTES,
  blockSize: number = chooseBlockSize(fileSize),
): number {
  const pairs = Math.log2(fileSize + 1) + Math.log2(fileSize / blockSize + 1);
  return Math.min(32, Math.max(8, Math.ceil((64 + pairs - 32) / 8)));
}
