import { DeltarError } from "../bytes/errors.ts";
import { CHUNK_BYTES, chunkFor, drive, plainBytes } from "./engine.ts";
import { loadZlib, type Zlib } from "./zlib.ts";

/**
 * The sizes of data before and after compression, and the checksum of the
 * uncompressed data.
 */
export interface DeflateSums {
  /** The CRC-32 of the bytes before compression. */
  crc: number;
  /** The number of bytes before compression. */
  size: number;
  /** The number of compressed bytes. */
  packedSize: number;
}

/**
 * Compresses bytes to one deflate stream (RFC 1951), off the main thread.
 *
 * @param plain The bytes. They must not change until the promise resolves.
 * @returns The compressed bytes, and the CRC-32 of `plain`.
 * @throws {DeltarError} `unsupported` if the runtime has no `node:zlib`.
 */
export function deflateBytes(
  plain: Uint8Array,
): Promise<{ packed: Uint8Array; crc: number }> {
  const { crc32, deflateRaw } = zlibOfRuntime();
  const crc = crc32(plain);
  return new Promise((resolve, reject) => {
    deflateRaw(
      plain,
      { chunkSize: chunkFor(plain.length) },
      (error, packed) =>
        error ? reject(error) : resolve({ packed: plainBytes(packed), crc }),
    );
  });
}

/**
 * Compresses a source to one deflate stream, off the main thread and in bounded
 * memory.
 *
 * @param source The bytes.
 * @returns The sizes and the checksum, after the last compressed byte has been
 *   yielded.
 * @throws {DeltarError} `unsupported` if the runtime has no `node:zlib`.
 * @throws The errors of the source.
 */
export async function* deflateStream(
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, DeflateSums> {
  const { crc32, createDeflateRaw } = zlibOfRuntime();
  const sums: DeflateSums = { crc: 0, size: 0, packedSize: 0 };
  const parts = source[Symbol.asyncIterator]();
  const pull = async () => {
    const { done, value } = await parts.next();
    if (done) return undefined;
    sums.crc = crc32(value, sums.crc);
    sums.size += value.length;
    return value;
  };
  try {
    const output = drive(
      createDeflateRaw({ chunkSize: CHUNK_BYTES }),
      pull,
      (cause) => new DeltarError("io", "deflate compression failed", { cause }),
    );
    for await (const part of output) {
      sums.packedSize += part.length;
      yield part;
    }
  } finally {
    await parts.return?.();
  }
  return sums;
}

function zlibOfRuntime(): Zlib {
  const zlib = loadZlib();
  if (zlib !== undefined) return zlib;
  throw new DeltarError(
    "unsupported",
    "cannot write a zip: this runtime has no node:zlib; use Node, Deno or Bun, " +
      "or write a tar",
  );
}
