import { builtin } from "../bytes/builtin.ts";
import { DeltarError } from "../bytes/errors.ts";
import { chunks, collect, concat } from "../bytes/source.ts";
import type { ByteReader } from "../bytes/byte_reader.ts";
import type { Codec, DecompressOptions } from "./codec.ts";
import { decompressPieces } from "./decompress_pieces.ts";
import { CHUNK_BYTES, chunkFor, drive, plainBytes } from "./engine.ts";
import { webUnzstd } from "./web_zstd.ts";
import { loadZlib, type Zlib } from "./zlib.ts";
import {
  type Frame,
  nextFrame,
  SMALL_FRAME_BYTES,
  storedFrame,
  wholeFrameSize,
} from "./zstd_frame.ts";

/** Returns `node:zlib`, or `undefined` if the runtime has no zlib with zstd. */
function zlibWithZstd(): Zlib | undefined {
  const zlib = loadZlib();
  return zlib?.constants?.ZSTD_c_checksumFlag === undefined ? undefined : zlib;
}

/**
 * Whether each decoder is given one block at a time. In Deno, an error of a
 * decoder ends the process unless the output of the write that failed fits in
 * one output chunk. The content of one block always fits.
 */
const IS_BY_BLOCK = builtin("node:process")?.versions.deno !== undefined;

/**
 * The content size in bytes below which a frame is decompressed in one call.
 * For a small frame, making a stream takes as long as decompressing the frame.
 * In Deno, the errors of the one-shot decoder cannot be caught, so all frames
 * are streamed there.
 */
const ONE_SHOT_BYTES = IS_BY_BLOCK ? 0 : SMALL_FRAME_BYTES;

/**
 * The maximum number of small frames that are decompressed before the caller
 * asks for their content.
 */
const MAX_FRAMES_AHEAD = 3;

/**
 * The Zstandard codec (RFC 8878). Each call to `compress` or `store` makes one
 * frame.
 */
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

async function compress(
  plain: Uint8Array,
  level?: number,
): Promise<Uint8Array> {
  const zlib = zlibWithZstd();
  if (zlib === undefined) {
    throw new DeltarError(
      "unsupported",
      "this runtime cannot compress with zstd; use gzip",
    );
  }
  const params = {
    [zlib.constants.ZSTD_c_checksumFlag]: 1,
    ...level !== undefined &&
      { [zlib.constants.ZSTD_c_compressionLevel]: level },
  };
  return await new Promise((resolve, reject) => {
    zlib.zstdCompress(
      plain,
      {
        params,
        chunkSize: chunkFor(plain.length),
        pledgedSrcSize: plain.length,
      },
      (error, packed) => error ? reject(error) : resolve(plainBytes(packed)),
    );
  });
}

/**
 * Decompresses each frame with a separate decoder that gets only the bytes of
 * that frame, because the runtimes' decoders silently stop after the first of
 * several frames.
 */
function decompress(
  source: AsyncIterable<Uint8Array>,
  options: DecompressOptions = {},
): AsyncGenerator<Uint8Array> {
  return decompressPieces(
    source,
    options,
    (reader) => decodeFrames(reader, options),
  );
}

/**
 * Decompresses frames up to the end of the source. While the caller uses the
 * content of a small frame, the next small frames are decompressed on other
 * threads. The number of these frames grows by one with each frame, up to
 * `MAX_FRAMES_AHEAD`, so that a caller that stops early causes little unneeded
 * work.
 */
async function* decodeFrames(
  reader: ByteReader,
  options: DecompressOptions,
): AsyncGenerator<Uint8Array> {
  const coming: Promise<Uint8Array>[] = [];
  const begin = reader.offset;
  let room = 1;
  let failure: unknown;
  for (let isOver = false; !isOver || coming.length > 0;) {
    let large: AsyncGenerator<Uint8Array> | undefined;
    try {
      while (!isOver && coming.length < room && large === undefined) {
        const start = reader.offset;
        // A source without any frame is an error, so before the first frame,
        // the code does not check whether the source has ended.
        if (start > begin) isOver = await reader.atEnd();
        if (isOver) break;
        const frame = await nextFrame(reader, { isByBlock: IS_BY_BLOCK });
        if (frame !== undefined) {
          const content = await decodeFrame(frame, reader, start, options);
          if (Symbol.asyncIterator in content) large = content;
          else {
            // An error is thrown when this content is awaited. Until then,
            // this handler prevents an unhandled rejection.
            content.plain.catch(() => {});
            coming.push(content.plain);
          }
        }
      }
    } catch (error) {
      // The error is thrown after the content of all earlier frames has been
      // yielded.
      isOver = true;
      failure = error;
    }
    while (coming.length >= room || isOver || large !== undefined) {
      const plain = coming.shift();
      if (plain === undefined) break;
      yield await plain;
      room = Math.min(MAX_FRAMES_AHEAD, room + 1);
    }
    if (large === undefined) continue;
    yield* large;
  }
  if (failure !== undefined) throw failure;
}

/**
 * Starts to decompress a frame. Returns a promise of the content of a small
 * frame, or the parts of the content of a large frame.
 */
async function decodeFrame(
  frame: Frame,
  reader: ByteReader,
  offset: number,
  { comparesSum = false }: DecompressOptions,
): Promise<{ plain: Promise<Uint8Array> } | AsyncGenerator<Uint8Array>> {
  const explain = (cause: unknown) =>
    reader.corrupt("damaged zstd frame", offset, cause);
  const head: Uint8Array[] = [];
  const bytes = joined(head, frame.parts);
  const zlib = zlibWithZstd();
  if (zlib === undefined) return webUnzstd(bytes, explain);
  if (frame.size !== undefined && frame.size < ONE_SHOT_BYTES) {
    const isWhole = await take(frame.parts, frame.size + CHUNK_BYTES, head);
    if (isWhole) {
      const stored = comparesSum ? frame.stored() : undefined;
      if (stored !== undefined) {
        return { plain: Promise.resolve(concat(stored)) };
      }
      const plain = decodeAtOnce(zlib, concat(head), frame.size);
      return {
        plain: plain.catch((cause) => {
          throw explain(cause);
        }),
      };
    }
  }
  return decodeStreamed(zlib, bytes, explain, () =>
    reader.corrupt(
      "the zstd decoder ended before the last block of the frame",
      offset,
    ));
}

/** Decompresses a frame part by part. */
async function* decodeStreamed(
  zlib: Zlib,
  bytes: AsyncGenerator<Uint8Array>,
  explain: (cause: unknown) => Error,
  endedEarly: () => Error,
): AsyncGenerator<Uint8Array> {
  yield* drive(
    zlib.createZstdDecompress({ chunkSize: CHUNK_BYTES }),
    async () => (await bytes.next()).value,
    explain,
  );
  if (!(await bytes.next()).done) throw endedEarly();
}

/**
 * Reads the parts of a frame into `head`, up to about `most` bytes. The limit
 * is needed because a frame with little content can still be of any length.
 *
 * @returns Whether the frame was read to its end.
 */
async function take(
  parts: Frame["parts"],
  most: number,
  head: Uint8Array[],
): Promise<boolean> {
  for (let length = 0; length <= most;) {
    const { value, done } = await parts.next();
    if (done) return true;
    for (const part of value) {
      head.push(part);
      length += part.length;
    }
  }
  return false;
}

/** Yields the bytes of a frame: first those in `head`, then the rest. */
async function* joined(
  head: Uint8Array[],
  rest: Frame["parts"],
): AsyncGenerator<Uint8Array> {
  if (head.length > 0) yield concat(head.splice(0));
  for await (const parts of rest) yield concat(parts);
}

/**
 * Decompresses one whole frame in memory. If possible, the frame is
 * decompressed in one call on this thread, with fewer copies than
 * `zstd.decompress` makes.
 *
 * @param frame The frame.
 * @param limit The maximum number of decompressed bytes.
 * @param options The object and offset, for messages.
 * @returns The content. If its `ArrayBuffer` has 256 KiB or more, nothing else
 *   uses this `ArrayBuffer`, so the caller may free it.
 * @throws {DeltarError} The same errors as `zstd.decompress`.
 */
export async function decompressFrame(
  frame: Uint8Array,
  limit: number,
  options: DecompressOptions = {},
): Promise<Uint8Array> {
  const zlib = zlibWithZstd();
  const size = ONE_SHOT_BYTES > 0 ? wholeFrameSize(frame) : undefined;
  if (zlib === undefined || size === undefined || size > limit) {
    // The content is copied into memory that nothing else uses.
    return (await zstd.decompressBlock(frame, limit, options)).slice();
  }
  try {
    return plainBytes(
      zlib.zstdDecompressSync(frame, {
        chunkSize: size + 1024,
        maxOutputLength: size + 1024,
      }),
    );
  } catch (cause) {
    throw damaged(options, cause);
  }
}

/**
 * Decompresses one whole frame in memory, off the calling thread if the runtime
 * supports that.
 *
 * @param frame The frame.
 * @param size The size of the content in bytes, as given in the frame's header.
 * @param options The object and offset, for messages.
 * @returns The content, in a buffer that nothing else uses.
 * @throws {DeltarError} The same errors as `decompress`.
 */
export async function decompressAside(
  frame: Uint8Array,
  size: number,
  options: DecompressOptions = {},
): Promise<Uint8Array> {
  const zlib = zlibWithZstd();
  if (zlib === undefined || size >= ONE_SHOT_BYTES) {
    // The content is copied into memory that nothing else uses.
    const plain = (await zstd.decompressBlock(frame, size, options)).slice();
    if (plain.length !== size) throw damaged(options);
    return plain;
  }
  try {
    const plain = await decodeAtOnce(zlib, frame, size);
    if (plain.length === size) return plain;
  } catch (cause) {
    throw damaged(options, cause);
  }
  throw damaged(options);
}

function damaged(
  { object, offset }: DecompressOptions,
  cause?: unknown,
): DeltarError {
  return new DeltarError("corrupt", "damaged zstd frame", {
    object,
    offset,
    cause,
  });
}

/**
 * Decompresses one whole frame in one call. The frame's header must contain the
 * size of the content.
 */
function decodeAtOnce(
  zlib: Zlib,
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
