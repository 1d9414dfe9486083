/**
 * Returns bytes as base64 (RFC 4648, padded).
 *
 * @param bytes The bytes to encode.
 */
export function toBase64(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += 8192) {
    text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  }
  return btoa(text);
}

/**
 * Decodes base64 text.
 *
 * @param text The text, padded or not.
 * @throws {DOMException} If the text is not base64.
 */
export function fromBase64(text: string): Uint8Array {
  return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
}
