import { DeltarError } from "../bytes/errors.ts";
import { collect, toStream } from "../bytes/source.ts";
import type { ByteReader } from "./byte_reader.ts";

/**
 * gzip through the Compression Streams that browsers have; for where there is
 * no `node:zlib`.
 *
 * @param plain The bytes to compress to one member.
 */
export function webGzip(plain: Uint8Array): Promise<Uint8Array> {
  const packed = new Blob([plain as BlobPart]).stream()
    .pipeThrough(new CompressionStream("gzip"));
  return collect(packed);
}

/**
 * The content of the one member that `reader` holds. Compression Streams do
 * not tell where a member ends, so several in a row are an error.
 *
 * @param reader The compressed bytes; all are taken.
 * @throws {DeltarError} `corrupt` if it is anything but one whole member.
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
    throw new DeltarError("corrupt", "not one whole gzip member", {
      object: reader.object,
      offset: start,
      cause,
    });
  } finally {
    if (!done) await plain.cancel();
  }
}
