/**
 * The minimum size of padded objects, in bytes. Together with the header, nonce
 * and tag of age, which have at most 298 bytes, an object of this size fits
 * into 4 KiB. Most file systems use 4 KiB even for a smaller object.
 */
export const MIN_PADDED_BYTES = 3712;

/**
 * Returns the size to which an object of `size` bytes is padded, so that the
 * padded size reveals little. The padded size is `MIN_PADDED_BYTES` or, for
 * larger objects, the next size of Padmé (Nikitin et al., "Reducing Metadata
 * Leakage from Encrypted Files and Communication with PURBs", PETS 2019,
 * section 4). In such a size, only the highest bits can be set. Let `E` be the
 * number of the highest bit that is set, counted from 0. Then only bit `E` and
 * the ⌊log2 `E`⌋ + 1 bits below bit `E` can be set. Padding adds at most 6.25%
 * to an object of more than `MIN_PADDED_BYTES`, and at most 3.2% to an object
 * of 64 KiB or more.
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
