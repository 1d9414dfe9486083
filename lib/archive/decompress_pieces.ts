import { DeltarError } from "../bytes/errors.ts";
import { ByteReader } from "../bytes/byte_reader.ts";
import type { DecompressOptions } from "./codec.ts";

/**
 * Decompresses concatenated gzip members or zstd frames, up to a limit.
 *
 * @param source The compressed bytes.
 * @param options The limit, and the object and offset of the bytes for
 *   messages.
 * @param next Called with the reader, at the start of a member or frame, until
 *   the reader is at its end. Returns the decompressed bytes of one or more
 *   members or frames, or `undefined` if they have no content.
 * @throws {DeltarError} `limit` if there are too many decompressed bytes, and
 *   the errors of `next`.
 */
export async function* decompressPieces(
  source: AsyncIterable<Uint8Array>,
  options: DecompressOptions,
  next: (
    reader: ByteReader,
  ) =>
    | AsyncIterable<Uint8Array>
    | Promise<AsyncIterable<Uint8Array> | undefined>,
): AsyncGenerator<Uint8Array> {
  const reader = new ByteReader(source, options);
  const limit = options.limit ?? Infinity;
  let total = 0;
  try {
    do {
      const piece = await next(reader);
      if (piece === undefined) continue;
      for await (const chunk of piece) {
        total += chunk.length;
        if (total > limit) {
          throw new DeltarError(
            "limit",
            `the content decompresses to more than ${limit} bytes`,
            { object: reader.object },
          );
        }
        yield chunk;
      }
    } while (!await reader.atEnd());
  } finally {
    await reader.cancel();
  }
}
