import type { Signature } from "./signature.ts";

/**
 * The filter in front of the block table is a Bloom filter of words that turns
 * away all but one in a thousand of the windows that are in no block. Of each
 * sum it has two bits in the word `sum >>> shift`, which nearly always settle
 * it, and one in a word that all of the sum's bits choose; the shift leaves as
 * many bits as the number of words has.
 */

/** 2^32 divided by the golden ratio: spreads the sum's bits (Knuth, TAOCP 6.4). */
const SPREAD = 0x9e3779b1;

/** How many words suit a signature: one for each block, rounded up. */
export function filterWords({ fileSize, blockSize }: Signature): number {
  const blocks = Math.floor(fileSize / blockSize);
  return 2 ** Math.ceil(Math.log2(Math.max(8, blocks)));
}

/** How far a sum is shifted for its word in the filter. */
export function filterShift(filterWords: number): number {
  return 32 - Math.log2(filterWords);
}

/** Enters the weak sums of all whole blocks. */
export function fillFilter(filter: Int32Array, signature: Signature): void {
  const { weak, fileSize, blockSize } = signature;
  const shift = filterShift(filter.length);
  const blocks = Math.floor(fileSize / blockSize);
  for (let block = 0; block < blocks; block++) {
    const sum = weak[block];
    const mixed = Math.imul(sum, SPREAD);
    filter[sum >>> shift] |= 1 << sum | 1 << (sum >>> 5);
    filter[mixed >>> shift] |= 1 << mixed;
  }
}

/** Whether a sum may be that of a block. */
export function passes(
  filter: Int32Array,
  shift: number,
  sum: number,
): boolean {
  const word = filter[sum >>> shift];
  if ((word >>> sum & word >>> (sum >>> 5) & 1) === 0) return false;
  const mixed = Math.imul(sum, SPREAD);
  return (filter[mixed >>> shift] >>> mixed & 1) !== 0;
}
