/** The pattern of the code units that represent bytes of invalid UTF-8. */
const RAW = /[\udc80-\udcff]/gu;
/** The pattern of lone surrogates that do not represent a byte. */
const FOREIGN = /[\ud800-\udc7f\udd00-\udfff]/u;
/**
 * The number that is added to a byte to get the code unit that represents it.
 */
const FIRST_CODE_UNIT = 0xdc00;
const REPLACEMENT = "\ufffd";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/**
 * Decodes the bytes of a name, a path or the target of a symlink. Each byte
 * that is not part of valid UTF-8 becomes a lone surrogate from U+DC80 to
 * U+DCFF, as with Python's `surrogateescape` (PEP 383).
 */
export function decodeName(bytes: Uint8Array): string {
  const text = decoder.decode(bytes);
  return text.includes(REPLACEMENT) ? decodeRaw(bytes) : text;
}

function decodeRaw(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length;) {
    const length = sequenceLength(bytes, at);
    text += length === 0
      ? String.fromCharCode(FIRST_CODE_UNIT + bytes[at])
      : decoder.decode(bytes.subarray(at, at + length));
    at += length || 1;
  }
  return text;
}

/**
 * Returns the length in bytes of the valid UTF-8 sequence at an offset; 0 if no
 * valid sequence begins there (Unicode 16.0, table 3-7).
 */
function sequenceLength(bytes: Uint8Array, at: number): number {
  const first = bytes[at];
  if (first < 0x80) return 1;
  if (first < 0xc2 || first > 0xf4) return 0;
  const length = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  if (at + length > bytes.length) return 0;
  const second = bytes[at + 1];
  const min = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80;
  const max = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf;
  if (second < min || second > max) return 0;
  for (let next = at + 2; next < at + length; next++) {
    if ((bytes[next] & 0xc0) !== 0x80) return 0;
  }
  return length;
}

/**
 * Returns the bytes that `decodeName` would decode to the given text.
 *
 * @param text A name, a path or the target of a symlink.
 *
 * @example
 * ```ts
 * import { decodeName, encodeName } from "@deltar/deltar/tree";
 * import assert from "node:assert/strict";
 *
 * const bytes = new Uint8Array([0x61, 0xff]);
 * assert.deepEqual(encodeName(decodeName(bytes)), bytes);
 * ```
 */
export function encodeName(text: string): Uint8Array {
  if (text.isWellFormed()) return encoder.encode(text);
  const bytes = new Uint8Array(3 * text.length);
  let used = 0;
  let start = 0;
  for (const { 0: code, index } of text.matchAll(RAW)) {
    used += put(text.slice(start, index), bytes, used);
    bytes[used++] = code.charCodeAt(0) - FIRST_CODE_UNIT;
    start = index + 1;
  }
  used += put(text.slice(start), bytes, used);
  return bytes.subarray(0, used);
}

function put(text: string, bytes: Uint8Array, at: number): number {
  return encoder.encodeInto(text, bytes.subarray(at)).written;
}

/**
 * Encodes a text as `encodeName` does, and writes the bytes into a buffer.
 *
 * @returns The number of bytes; `undefined` if the buffer is too small.
 */
export function encodeNameInto(
  text: string,
  buffer: Uint8Array,
): number | undefined {
  if (text.isWellFormed()) {
    const { read, written } = encoder.encodeInto(text, buffer);
    return read < text.length ? undefined : written;
  }
  const bytes = encodeName(text);
  if (bytes.length > buffer.length) return undefined;
  buffer.set(bytes);
  return bytes.length;
}

/**
 * Returns whether a text is a possible result of `decodeName`. A text with lone
 * surrogates for bytes that together are valid UTF-8 is not a possible result.
 * Otherwise, two different texts could stand for the same name.
 */
export function isDecodedName(text: string): boolean {
  return text.isWellFormed() ||
    !FOREIGN.test(text) && decodeName(encodeName(text)) === text;
}

/**
 * The pattern of a backslash that `parsePath` would read as the beginning of an
 * escape.
 */
const AMBIGUOUS = /\\(?=x(?:5c|[89a-f][0-9a-f]))/g;
const ESCAPE = /\\x(5c|[89a-f][0-9a-f])/g;

/**
 * Returns a readable spelling of a path: each byte that is not part of valid
 * UTF-8 becomes `\x` and two hexadecimal digits. A backslash that
 * {@linkcode parsePath} would read as the beginning of an escape becomes
 * `\x5c`. `parsePath` returns the path for a spelling.
 *
 * @param path A path of a tree, or the target of a symlink.
 *
 * @example
 * ```ts
 * import { parsePath, spellPath } from "@deltar/deltar/tree";
 * import assert from "node:assert/strict";
 *
 * // A name in Latin-1, as a snapshot contains it.
 * assert.equal(spellPath("caf\udce9.txt"), "caf\\xe9.txt");
 * assert.equal(parsePath("caf\\xe9.txt"), "caf\udce9.txt");
 * assert.equal(parsePath("caf\\xc3\\xa9.txt"), "café.txt");
 * ```
 */
export function spellPath(path: string): string {
  return path.replaceAll(AMBIGUOUS, "\\x5c")
    .replaceAll(RAW, (code) => `\\x${byteOf(code).toString(16)}`);
}

/**
 * Returns the path for a spelling that {@linkcode spellPath} returned. Only the
 * escapes `\x5c` and `\x80` to `\xff` are decoded.
 *
 * @param spelling A path with escapes.
 */
export function parsePath(spelling: string): string {
  const path = spelling.replaceAll(ESCAPE, (_, digits: string) => {
    const byte = parseInt(digits, 16);
    return byte < 0x80 ? "\\" : String.fromCharCode(FIRST_CODE_UNIT + byte);
  });
  return path.isWellFormed() ? path : decodeName(encodeName(path));
}

/**
 * Returns a path with octal escapes for its bytes, for the `printf` of a shell
 * and for `setfattr --restore`. Printable ASCII characters are not escaped,
 * except the space, the backslash and the percent sign.
 */
export function octalName(path: string): string {
  return Array.from(
    encodeName(path),
    (byte) =>
      byte > 0x20 && byte < 0x7f && byte !== 0x5c && byte !== 0x25
        ? String.fromCharCode(byte)
        : `\\${byte.toString(8).padStart(3, "0")}`,
  ).join("");
}

function byteOf(code: string): number {
  return code.charCodeAt(0) - FIRST_CODE_UNIT;
}
