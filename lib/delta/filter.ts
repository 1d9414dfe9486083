import type { Signature } from "./signature.ts";

/**
 * The filter in front of the block table is a Bloom filter. It rejects all but
 * about one in 400 of the windows that match no block. Each sum sets four bits
 * of a single 32-bit word, one bit in each byte. A lookup therefore reads only
 * one word, and SIMD instructions can look up four sums at a time (F. Putze, P.
 * Sanders, J. Singler, "Cache-, Hash- and Space-Efficient Bloom Filters",
 * 2007). The low bits of the sum, except the lowest two, select the word. The
 * twelve highest bits of the sum select the bits in the word.
 */

/** The filter bits of a sum, indexed by the twelve highest bits of the sum. */
export const FILTER_BITS: Int32Array = Int32Array.from(
  { length: 2 ** 12 },
  (_, high) => {
    const mixed = Math.imul(high, 0x8421);
    return 1 << (mixed & 7) | 1 << 8 + (mixed >>> 8 & 7) |
      1 << 16 + (mixed >>> 16 & 7) | 1 << 24 + (mixed >>> 24 & 7);
  },
);

/**
 * Returns the number of 32-bit words of a signature's filter: one for each
 * whole block, rounded up to a power of two, and at least eight.
 */
export function filterWords({ fileSize, blockSize }: Signature): number {
  const blocks = Math.floor(fileSize / blockSize);
  return 2 ** Math.ceil(Math.log2(Math.max(8, blocks)));
}

/** Adds the weak sums of all whole blocks of a signature to its filter. */
export function fillFilter(filter: Int32Array, signature: Signature): void {
  const { weak, fileSize, blockSize } = signature;
  const mask = filter.length - 1;
  const blocks = Math.floor(fileSize / blockSize);
  for (let block = 0; block < blocks; block++) {
    const sum = weak[block];
    filter[sum >>> 2 & mask] |= FILTER_BITS[sum >>> 20];
  }
}

/** Returns whether a sum might be the weak sum of a block. */
export function passes(filter: Int32Array, sum: number): boolean {
  const bits = FILTER_BITS[sum >>> 20];
  return (filter[sum >>> 2 & filter.length - 1] & bits) === bits;
}
