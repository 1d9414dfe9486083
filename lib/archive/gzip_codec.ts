import { DeltarError } from "../bytes/errors.ts";
import { chunks, collect } from "../bytes/source.ts";
import type { ByteReader } from "../bytes/byte_reader.ts";
import type { Codec, DecompressOptions } from "./codec.ts";
import { decompressPieces } from "./decompress_pieces.ts";
import { CHUNK_BYTES, chunkFor, drive, plainBytes } from "./engine.ts";
import { webGunzip, webGzip } from "./web_gzip.ts";
import { loadZlib, type Zlib } from "./zlib.ts";

// The flags in a member's header (RFC 1952, section 2.3.1).
const HAS_CRC = 2;
const HAS_EXTRA = 4;
const HAS_NAME = 8;
const HAS_COMMENT = 16;
const RESERVED = 0xe0;

/**
 * The maximum length in bytes of a name or comment in a header, with its NUL.
 */
const MAX_TEXT_BYTES = 65536;

const NOTHING = new Uint8Array(0);

/**
 * The gzip codec (RFC 1952). Each call to `compress` or `store` makes one
 * member.
 */
export const gzip: Codec = {
  name: "gzip",
  extension: "tgz",
  compress,
  store,
  decompress,
  decompressBlock(bytes, limit, options) {
    return collect(decompress(chunks(bytes), { ...options, limit }));
  },
};

function compress(plain: Uint8Array, level?: number): Promise<Uint8Array> {
  const zlib = loadZlib();
  return zlib === undefined
    ? webGzip(plain)
    : deflate(zlib, plain, { ...level !== undefined && { level } });
}

async function store(plain: Uint8Array): Promise<Uint8Array> {
  const zlib = loadZlib();
  if (zlib === undefined) {
    throw new DeltarError(
      "unsupported",
      "cannot store as gzip: this runtime has no node:zlib; use Node, Deno or Bun",
    );
  }
  return await deflate(zlib, plain, { level: 0 });
}

function deflate(
  zlib: Zlib,
  plain: Uint8Array,
  options: { level?: number },
): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    zlib.gzip(
      plain,
      { ...options, chunkSize: chunkFor(plain.length) },
      (error, packed) => error ? reject(error) : resolve(plainBytes(packed)),
    );
  });
}

function decompress(
  source: AsyncIterable<Uint8Array>,
  options: DecompressOptions = {},
): AsyncGenerator<Uint8Array> {
  const zlib = loadZlib();
  return decompressPieces(
    source,
    options,
    zlib ? (reader) => inflateMember(zlib, reader) : webGunzip,
  );
}

/**
 * Yields the content of one member. This function reads the header and the
 * trailer itself and passes only the deflate stream to zlib, because zlib's own
 * reader of members ignores invalid bytes after a member.
 */
async function* inflateMember(
  zlib: Zlib,
  reader: ByteReader,
): AsyncGenerator<Uint8Array> {
  await skipHeader(reader);
  const start = reader.offset;
  const engine = zlib.createInflateRaw({ chunkSize: CHUNK_BYTES });
  let last: Uint8Array = NOTHING;
  let crc = 0;
  let size = 0;
  const surplus = () => reader.offset - start - engine.bytesWritten;
  const pull = async () => {
    // If zlib left some of the last input unused, the deflate stream has ended,
    // and the unused bytes belong to the trailer and the next member.
    if (surplus() > 0) return undefined;
    const next = await reader.some(CHUNK_BYTES);
    last = next ?? NOTHING;
    return next;
  };
  const output = drive(
    engine,
    pull,
    (cause) =>
      last === NOTHING
        ? reader.truncated("a gzip member", start)
        : reader.corrupt("damaged gzip member", start, cause),
  );
  for await (const chunk of output) {
    crc = zlib.crc32(chunk, crc);
    size += chunk.length;
    yield chunk;
  }
  reader.unread(last.subarray(last.length - surplus()));
  await checkTrailer(reader, crc, size);
}

async function checkTrailer(
  reader: ByteReader,
  crc: number,
  size: number,
): Promise<void> {
  const at = reader.offset;
  const trailer = await reader.exactly(8, "a gzip trailer");
  const view = new DataView(trailer.buffer, trailer.byteOffset, 8);
  if (view.getUint32(0, true) !== crc) {
    throw reader.corrupt("the gzip checksum does not match the content", at);
  }
  if (view.getUint32(4, true) !== size % 2 ** 32) {
    throw reader.corrupt("the gzip length does not match the content", at);
  }
}

async function skipHeader(reader: ByteReader): Promise<void> {
  const at = reader.offset;
  const header = await reader.exactly(10, "a gzip header");
  if (header[0] !== 0x1f || header[1] !== 0x8b || header[2] !== 8) {
    throw reader.corrupt("not a gzip member: wrong magic number or method", at);
  }
  const flags = header[3];
  if (flags & RESERVED) throw reader.corrupt("unknown gzip flags", at + 3);
  if (flags & HAS_EXTRA) {
    const length = await reader.exactly(2, "a gzip header");
    await reader.exactly(length[0] + length[1] * 256, "a gzip header");
  }
  if (flags & HAS_NAME) await skipText(reader);
  if (flags & HAS_COMMENT) await skipText(reader);
  if (flags & HAS_CRC) await reader.exactly(2, "a gzip header");
}

async function skipText(reader: ByteReader): Promise<void> {
  for (let length = 0; length < MAX_TEXT_BYTES; length++) {
    const [byte] = await reader.exactly(1, "a gzip header");
    if (byte === 0) return;
  }
  throw reader.corrupt(
    `name or comment in a gzip header too long: at most ${MAX_TEXT_BYTES} bytes`,
  );
}
