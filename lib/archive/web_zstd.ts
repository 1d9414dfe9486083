import { Decompress } from "fzstd";

/**
 * The content of one zstd frame, decoded by fzstd: for where there is no
 * `node:zlib`. It does not look at the frame's checksum; what is read is held
 * against its SHA-256 anyway.
 *
 * @param frame The bytes of exactly one frame, whose window was checked.
 * @param explain Makes the error to throw of what the decoder reports.
 */
export async function* webUnzstd(
  frame: AsyncIterable<Uint8Array>,
  explain: (cause: unknown) => Error,
): AsyncGenerator<Uint8Array> {
  const ready: Uint8Array[] = [];
  let ended = false;
  const decoder = new Decompress((chunk, last) => {
    // The decoder writes on into what it gave.
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
