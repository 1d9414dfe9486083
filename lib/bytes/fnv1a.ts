/**
 * Returns the FNV-1a hash of bytes, a 32-bit unsigned integer ({@link
 * http://www.isthe.com/chongo/tech/comp/fnv/}).
 */
export function fnv1a(bytes: Iterable<number>): number {
  let sum = 0x811c9dc5;
  for (const byte of bytes) sum = Math.imul(sum ^ byte, 0x01000193);
  return sum >>> 0;
}
