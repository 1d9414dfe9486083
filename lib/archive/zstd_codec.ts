import { builtin } from "../bytes/builtin.ts";
import { DeltarError } from "../bytes/errors.ts";
import { chunks, collect } from "../bytes/source.ts";
import type { ByteReader } from "./byte_reader.ts";
import type { Codec, DecompressOptions } from "./codec.ts";
import { decompressPieces } from "./decompress_pieces.ts";
import { CHUNK, chunkFor, drive, plainBytes } from "./engine.ts";
import { webUnzstd } from "./web_zstd.ts";
import { nextFrame } from "./zstd_frame.ts";

const zlib = builtin("node:zlib");
const writing = zlib?.constants?.ZSTD_c_checksumFlag === undefined
  ? undefined
  : { params: { [zlib.constants.ZSTD_c_checksumFlag]: 1 } };

/** Zstandard (RFC 8878): one frame for each piece. */
export const zstd: Codec = {
  name: "zstd",
  extension: "tar.zst",
  compress,
  decompress,
  decompressBlock(bytes, limit, options) {
    return collect(decompress(chunks(bytes), { ...options, limit }));
  },
};

async function compress(plain: Uint8Array): Promise<Uint8Array> {
  if (writing === undefined) {
    throw new DeltarError(
      "unsupported",
      "this runtime writes no zstd, only gzip",
    );
  }
  return await new Promise((resolve, reject) => {
    zlib!.zstdCompress(
      plain,
      { ...writing, chunkSize: chunkFor(plain.length) },
      (error, packed) => error ? reject(error) : resolve(plainBytes(packed)),
    );
  });
}

/**
 * The runtimes' decoders stop after the first frames of several, without a
 * word, so each frame gets a decoder of its own and exactly its bytes.
 */
function decompress(
  source: AsyncIterable<Uint8Array>,
  options: DecompressOptions = {},
): AsyncGenerator<Uint8Array> {
  return decompressPieces(source, options, async (reader) => {
    const start = reader.offset;
    const frame = await nextFrame(reader);
    return frame && decodeFrame(frame, reader, start);
  });
}

async function* decodeFrame(
  frame: AsyncGenerator<Uint8Array>,
  reader: ByteReader,
  offset: number,
): AsyncGenerator<Uint8Array> {
  const explain = (cause: unknown) =>
    reader.corrupt("damaged zstd frame", offset, cause);
  if (writing === undefined) {
    yield* webUnzstd(frame, explain);
    return;
  }
  yield* drive(
    zlib!.createZstdDecompress({ chunkSize: CHUNK }),
    async () => (await frame.next()).value,
    explain,
  );
  if (!(await frame.next()).done) {
    throw reader.corrupt("zstd frame ends before its blocks do", offset);
  }
}
