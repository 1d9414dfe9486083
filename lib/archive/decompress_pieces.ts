import { DeltarError } from "../bytes/errors.ts";
import { ByteReader } from "./byte_reader.ts";
import type { DecompressOptions } from "./codec.ts";

/**
 * Decompresses pieces that lie one behind the other, up to a limit.
 *
 * @param source The compressed bytes.
 * @param options Their place, and the limit.
 * @param next Starts to decompress the piece that the reader is at; none if
 * the piece has no content.
 * @throws {DeltarError} `limit`, and what `next` throws.
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
            `decompresses to more than ${limit} bytes`,
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
