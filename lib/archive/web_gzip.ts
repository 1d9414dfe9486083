import { DeltarError } from "../bytes/errors.ts";
import { collect, toStream } from "../bytes/source.ts";
import type { ByteReader } from "../bytes/byte_reader.ts";

/**
 * Compresses bytes with the Compression Streams API, for runtimes without
 * `node:zlib`.
 *
 * @param plain The bytes to compress into one gzip member.
 */
export function webGzip(plain: Uint8Array): Promise<Uint8Array> {
  const packed = new Blob([plain as BlobPart]).stream()
    .pipeThrough(new CompressionStream("gzip"));
  return collect(packed);
}

/**
 * Yields the content of the only gzip member that `reader` holds. The
 * Compression Streams API does not report where a member ends, so more than one
 * member is an error.
 *
 * @param reader The compressed bytes. All of them are read.
 * @throws {DeltarError} `corrupt` if the bytes are not exactly one whole
 *   member.
 */
export async function* webGunzip(
  reader: ByteReader,
): AsyncGenerator<Uint8Array> {
  const start = reader.offset;
  const packed = toStream(reader.rest()) as ReadableStream<BufferSource>;
  const plain = packed.pipeThrough(new DecompressionStream("gzip")).getReader();
  let done = false;
  try {
    while (!done) {
      const next = await plain.read();
      done = next.done;
      if (next.value !== undefined) yield next.value;
    }
  } catch (cause) {
    done = true;
    if (cause instanceof DeltarError) throw cause;
    throw new DeltarError(
      "corrupt",
      "the bytes are not exactly one complete gzip member",
      {
        object: reader.object,
        offset: start,
        cause,
      },
    );
  } finally {
    if (!done) await plain.cancel();
  }
}
