import { Buffer } from "node:buffer";
import { createDeflate } from "node:zlib";
import { Readable } from "node:stream";

/** The digits of git's base 85. */
const DIGITS =
  "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~";

/** The maximum number of compressed bytes in a line of a patch. */
const MAX_LINE_BYTES = 52;

/**
 * Yields a content as a `literal` of a git binary patch: a line with the size,
 * the content compressed with zlib and written as lines in base 85, and an
 * empty line.
 *
 * @param size The size of the content in bytes.
 * @param content The content, in parts.
 */
export async function* gitLiteral(
  size: number,
  content: AsyncIterable<Uint8Array>,
): AsyncGenerator<string> {
  yield `literal ${size}\n`;
  const source = Readable.from(content, { objectMode: false });
  const packed = createDeflate();
  source.on("error", (error) => packed.destroy(error));
  let rest: Buffer = Buffer.alloc(0);
  for await (const part of source.pipe(packed)) {
    const bytes = Buffer.concat([rest, part]);
    const end = bytes.length - bytes.length % MAX_LINE_BYTES;
    let lines = "";
    for (let at = 0; at < end; at += MAX_LINE_BYTES) {
      lines += lineOf(bytes.subarray(at, at + MAX_LINE_BYTES));
    }
    rest = bytes.subarray(end);
    if (lines !== "") yield lines;
  }
  yield `${rest.length > 0 ? lineOf(rest) : ""}\n`;
}

/**
 * Returns up to 52 bytes as a line of a patch: a letter for the number of
 * bytes, then five digits for every four bytes.
 */
function lineOf(bytes: Buffer): string {
  const { length } = bytes;
  const letter = String.fromCharCode(
    length <= 26 ? 0x40 + length : 0x60 + length - 26,
  );
  const padded = Buffer.alloc(Math.ceil(length / 4) * 4);
  bytes.copy(padded);
  let line = letter;
  for (let at = 0; at < padded.length; at += 4) {
    let word = padded.readUInt32BE(at);
    let digits = "";
    for (let count = 0; count < 5; count++) {
      digits = DIGITS[word % 85] + digits;
      word = Math.floor(word / 85);
    }
    line += digits;
  }
  return `${line}\n`;
}
