import { Decompress } from "fzstd";

/**
 * Yields the content of one zstd frame, decoded by fzstd, for runtimes without
 * `node:zlib`. fzstd ignores the checksum of the frame, so damaged content is
 * found only where its SHA-256 is known and checked.
 *
 * @param frame The bytes of exactly one frame, whose window size has been
 *   checked.
 * @param explain Called with an error of the decoder. Returns the error to
 *   throw.
 */
export async function* webUnzstd(
  frame: AsyncIterable<Uint8Array>,
  explain: (cause: unknown) => Error,
): AsyncGenerator<Uint8Array> {
  const ready: Uint8Array[] = [];
  let ended = false;
  const decoder = new Decompress((chunk, last) => {
    // The decoder reuses the memory of the chunk.
    if (chunk.length > 0) ready.push(chunk.slice());
    ended ||= last ?? false;
  });
  for await (const part of frame) {
    try {
      decoder.push(part);
    } catch (cause) {
      throw explain(cause);
    }
    yield* ready.splice(0);
  }
  try {
    if (!ended) decoder.push(new Uint8Array(0), true);
  } catch (cause) {
    throw explain(cause);
  }
  yield* ready.splice(0);
}
