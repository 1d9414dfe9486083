const DIGITS = Array.from(
  { length: 256 },
  (_, byte) => byte.toString(16).padStart(2, "0"),
);

/** As new runtimes have it. */
const native = (Uint8Array.prototype as { toHex?: () => string }).toHex;

/** Bytes as lower-case hexadecimal, as `sha256sum` prints them. */
export function toHex(bytes: Uint8Array): string {
  if (native !== undefined) return native.call(bytes);
  let text = "";
  for (let at = 0; at < bytes.length; at++) text += DIGITS[bytes[at]];
  return text;
}
