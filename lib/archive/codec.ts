import { gzip } from "./gzip_codec.ts";
import { zstd } from "./zstd_codec.ts";

/** The compressions of a volume. */
export type CodecName = "gzip" | "zstd";

/** Options for decompressing. */
export interface DecompressOptions {
  /** The object the bytes come from, for messages. */
  object?: string;
  /** The offset of the first byte in that object, default 0, for messages. */
  offset?: number;
  /**
   * The maximum number of bytes that may come out; one more is an error of code `limit`.
   * By default there is no limit, as memory is bounded anyway.
   */
  limit?: number;
}

/**
 * A compression whose pieces may be concatenated: gzip members, zstd frames.
 */
export interface Codec {
  /** The name of the codec. */
  readonly name: CodecName;
  /** The extension of a tar compressed with it. */
  readonly extension: "tgz" | "tar.zst";

  /**
   * Compresses to one independent gzip member or zstd frame, which carries a
   * checksum of the content; off the main thread where the runtime can.
   *
   * @param plain The bytes; they must not change until this resolves.
   * @returns What came of them, in memory of its own if it is large.
   * @throws {DeltarError} `unsupported` for zstd where the runtime has none
   * (Node before 22.15, a browser); reading it works everywhere.
   */
  compress(plain: Uint8Array): Promise<Uint8Array>;

  /**
   * Makes one independent gzip member or zstd frame that holds the bytes as
   * they are, and so is not smaller than they are.
   *
   * @param plain The bytes; they must not change until this resolves.
   * @throws {DeltarError} `unsupported` for gzip where the runtime has no zlib.
   */
  store(plain: Uint8Array): Promise<Uint8Array>;

  /**
   * Decompresses any number of concatenated members or frames, in bounded
   * memory, pulled.
   *
   * @throws {DeltarError} `corrupt` for damage and for anything else that
   * follows a piece, `truncated` if the source ends inside a piece, `limit`,
   * `unsupported` for what only other decoders can read.
   */
  decompress(
    source: AsyncIterable<Uint8Array>,
    options?: DecompressOptions,
  ): AsyncGenerator<Uint8Array>;

  /**
   * Decompresses one small range at once.
   *
   * @param bytes One or more whole members or frames.
   * @param limit The most bytes that may come out.
   * @param options The place, for messages.
   * @throws {DeltarError} As `decompress` does.
   */
  decompressBlock(
    bytes: Uint8Array,
    limit: number,
    options?: DecompressOptions,
  ): Promise<Uint8Array>;
}

const CODECS = { gzip, zstd };

/**
 * The codec of a name.
 *
 * @param name The compression.
 */
export function codecFor(name: CodecName): Codec {
  const codec = CODECS[name];
  if (codec === undefined) throw new TypeError(`no codec "${name}"`);
  return codec;
}

/** The format of an archive, as its first bytes tell it. */
export type ArchiveFormat = CodecName | "tar";

/**
 * Tells the format of an archive by its magic numbers; it takes up to 512
 * bytes, and 262 to know a tar.
 *
 * @param head The first bytes of the archive.
 * @returns The format, `undefined` if it is none of them.
 */
export function detectFormat(head: Uint8Array): ArchiveFormat | undefined {
  const [a, b, c, d] = head;
  if (a === 0x1f && b === 0x8b) return "gzip";
  const isZstd = a === 0x28 && b === 0xb5 && c === 0x2f && d === 0xfd;
  const isSkippable = (a & 0xf0) === 0x50 && b === 0x2a && c === 0x4d &&
    d === 0x18;
  if (isZstd || isSkippable) return "zstd";
  return isTar(head) ? "tar" : undefined;
}

/** A tar begins with a header that has a magic, or is of zeros if empty. */
function isTar(head: Uint8Array): boolean {
  const magic = String.fromCharCode(...head.subarray(257, 262));
  if (magic === "ustar") return true;
  return head.length >= 512 &&
    head.subarray(0, 512).every((byte) => byte === 0);
}
