/**
 * The size below which all objects are padded to the same size, in bytes. With
 * the header, nonce and tag of age, which have 298 bytes, an object of this size
 * fits into a block of 4 KiB, in which most file systems store it anyway.
 */
export const MIN_PADDED_BYTES = 3712;

/**
 * Returns the size to which something of `size` bytes is padded, so that its
 * size tells little: at least `MIN_PADDED_BYTES`, and from there on the next
 * size of Padmé (Nikitin et al., "Reducing Metadata Leakage from Encrypted Files
 * and Communication with PURBs", PETS 2019, section 4). Of such a size, only a
 * few of the highest bits are not zero: as many as it takes to write the number
 * of its highest bit, and one more. At most 6.25 % are added, and at most 3.2 %
 * from 64 KiB on.
 *
 * @param size The size in bytes, a safe integer.
 */
export function paddedSize(size: number): number {
  if (size <= MIN_PADDED_BYTES) return MIN_PADDED_BYTES;
  const exponent = Math.floor(Math.log2(size));
  const significant = Math.floor(Math.log2(exponent)) + 1;
  const step = 2 ** (exponent - significant);
  return Math.ceil(size / step) * step;
}
