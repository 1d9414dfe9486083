import { paddedSize } from "../bytes/padded_size.ts";
import { type ByteSource, chunks } from "../bytes/source.ts";

const NEWLINE = 10;
const SPACE = 32;

/** The maximum number of spaces that are yielded at a time. */
const MAX_PIECE_BYTES = 1 << 16;

/**
 * Pads a text to the size that `paddedSize` returns, so that the size of the
 * stored text reveals little about the original size. The padding consists of
 * spaces at the end of the last line, before the newline.
 */
export async function* padText(
  source: ByteSource,
): AsyncGenerator<Uint8Array> {
  let size = 0;
  let isLine = false;
  for await (const part of chunks(source)) {
    if (part.length === 0) continue;
    if (isLine) yield Uint8Array.of(NEWLINE);
    size += part.length;
    isLine = part[part.length - 1] === NEWLINE;
    yield isLine ? part.subarray(0, -1) : part;
  }
  yield* spaces(paddedSize(size) - size);
  if (isLine) yield Uint8Array.of(NEWLINE);
}

/** Yields a text without the spaces at the end of its last line. */
export async function* unpadText(
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  // The number of spaces at the end of the bytes read so far, which could be
  // padding, and whether a newline follows these spaces.
  let held = 0;
  let isLine = false;
  for await (const part of source) {
    if (part.length === 0) continue;
    if (isLine) {
      yield* spaces(held);
      yield Uint8Array.of(NEWLINE);
      held = 0;
    }
    isLine = part[part.length - 1] === NEWLINE;
    const end = part.length - (isLine ? 1 : 0);
    let start = end;
    while (start > 0 && part[start - 1] === SPACE) start--;
    if (start > 0) {
      yield* spaces(held);
      yield part.subarray(0, start);
      held = 0;
    }
    held += end - start;
  }
  if (isLine) yield Uint8Array.of(NEWLINE);
}

function* spaces(count: number): Generator<Uint8Array> {
  for (let left = count; left > 0; left -= MAX_PIECE_BYTES) {
    yield new Uint8Array(Math.min(left, MAX_PIECE_BYTES)).fill(SPACE);
  }
}
