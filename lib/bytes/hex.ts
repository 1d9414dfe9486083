/** The built-in method `toHex`, which only new runtimes have. */
const native = (Uint8Array.prototype as { toHex?: () => string }).toHex;
/**
 * The hexadecimal digits of each byte, for runtimes without the built-in
 * method.
 */
const DIGITS = native === undefined
  ? Array.from(
    { length: 256 },
    (_, byte) => byte.toString(16).padStart(2, "0"),
  )
  : [];
/**
 * The value of each hexadecimal digit, indexed by the digit's character code.
 */
const VALUES = new Uint8Array(128);
for (const [value, digit] of [..."0123456789abcdef"].entries()) {
  VALUES[digit.charCodeAt(0)] = value;
}

/** Returns bytes as lower-case hexadecimal, as `sha256sum` prints them. */
export function toHex(bytes: Uint8Array): string {
  if (native !== undefined) return native.call(bytes);
  let text = "";
  for (let at = 0; at < bytes.length; at++) text += DIGITS[bytes[at]];
  return text;
}

/**
 * Decodes lower-case hexadecimal into bytes.
 *
 * @param bytes The array that is filled.
 * @param text The text, which has two digits for each byte of the array. Any
 *   character other than `0` to `9` and `a` to `f` counts as zero.
 */
export function fillHex(bytes: Uint8Array, text: string): void {
  for (let at = 0; at < bytes.length; at++) {
    bytes[at] = VALUES[text.charCodeAt(2 * at)] << 4 |
      VALUES[text.charCodeAt(2 * at + 1)];
  }
}
