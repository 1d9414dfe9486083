import { builtin } from "../bytes/builtin.ts";
import { DeltarError } from "../bytes/errors.ts";
import { chunks, collect, concat } from "../bytes/source.ts";
import type { ByteReader } from "./byte_reader.ts";
import type { Codec, DecompressOptions } from "./codec.ts";
import { decompressPieces } from "./decompress_pieces.ts";
import { CHUNK, chunkFor, drive, plainBytes } from "./engine.ts";
import { webUnzstd } from "./web_zstd.ts";
import {
  type Frame,
  nextFrame,
  SMALL_FRAME_BYTES,
  storedFrame,
} from "./zstd_frame.ts";

const zlib = builtin("node:zlib");
/** The runtime's zlib if it supports zstd, and the options to write with it. */
const engine = zlib?.constants?.ZSTD_c_checksumFlag === undefined
  ? undefined
  : { zlib, params: { [zlib.constants.ZSTD_c_checksumFlag]: 1 } };

/**
 * The content size in bytes below which a frame is decompressed in one call,
 * because a stream for each small frame costs as much as the work. In Deno, the
 * errors of the one-shot decoder cannot be caught, so all frames are streamed
 * there.
 */
const AT_ONCE = builtin("node:process")?.versions.deno === undefined
  ? SMALL_FRAME_BYTES
  : 0;

/** Zstandard (RFC 8878): one frame for each piece. */
export const zstd: Codec = {
  name: "zstd",
  extension: "tar.zst",
  compress,
  store: (plain) => Promise.resolve(storedFrame(plain)),
  decompress,
  decompressBlock(bytes, limit, options) {
    return collect(decompress(chunks(bytes), { ...options, limit }));
  },
};

async function compress(plain: Uint8Array): Promise<Uint8Array> {
  if (engine === undefined) {
    throw new DeltarError(
      "unsupported",
      "this runtime cannot write zstd, only gzip",
    );
  }
  const { zlib, params } = engine;
  return await new Promise((resolve, reject) => {
    zlib.zstdCompress(
      plain,
      { params, chunkSize: chunkFor(plain.length) },
      (error, packed) => error ? reject(error) : resolve(plainBytes(packed)),
    );
  });
}

/**
 * Decompresses each frame with a decoder of its own and exactly its bytes,
 * because the runtimes' decoders silently stop after the first of several
 * frames.
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
  frame: Frame,
  reader: ByteReader,
  offset: number,
): AsyncGenerator<Uint8Array> {
  const explain = (cause: unknown) =>
    reader.corrupt("damaged zstd frame", offset, cause);
  if (engine === undefined) {
    yield* webUnzstd(frame.bytes, explain);
    return;
  }
  const { zlib } = engine;
  const head: Uint8Array[] = [];
  if (frame.size !== undefined && frame.size < AT_ONCE) {
    const isWhole = await take(frame.bytes, frame.size + CHUNK, head);
    if (isWhole) {
      yield await decodeAtOnce(zlib, concat(head), frame.size).catch(
        (cause) => {
          throw explain(cause);
        },
      );
      return;
    }
  }
  yield* drive(
    zlib.createZstdDecompress({ chunkSize: CHUNK }),
    async () => head.shift() ?? (await frame.bytes.next()).value,
    explain,
  );
  if (head.length > 0 || !(await frame.bytes.next()).done) {
    throw reader.corrupt("zstd frame ends before its blocks do", offset);
  }
}

/**
 * Reads the bytes of a frame, up to about `most` of them. A frame may have any
 * number of bytes, whatever its content.
 *
 * @returns Whether the frame was read to its end.
 */
async function take(
  bytes: AsyncGenerator<Uint8Array>,
  most: number,
  parts: Uint8Array[],
): Promise<boolean> {
  for (let length = 0; length <= most;) {
    const { value, done } = await bytes.next();
    if (done) return true;
    parts.push(value);
    length += value.length;
  }
  return false;
}

/** Decompresses one whole frame whose header has the size of the content. */
function decodeAtOnce(
  zlib: NonNullable<ReturnType<typeof builtin<"node:zlib">>>,
  frame: Uint8Array,
  size: number,
): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    zlib.zstdDecompress(
      frame,
      { chunkSize: size + 1024, maxOutputLength: size + 1024 },
      (error, plain) => error ? reject(error) : resolve(plainBytes(plain)),
    );
  });
}
