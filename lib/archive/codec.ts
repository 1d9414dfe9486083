import { gzip } from "./gzip_codec.ts";
import { zstd } from "./zstd_codec.ts";

/** The name of a codec. */
export type CodecName = "gzip" | "zstd";

/** Options for decompressing. */
export interface DecompressOptions {
  /** The name of the object that the bytes come from, for messages. */
  object?: string;
  /**
   * The offset in the object at which the compressed bytes begin, in bytes, for
   * messages. Default: 0.
   */
  offset?: number;
  /**
   * The maximum number of decompressed bytes. If there are more, decompressing
   * fails with code `limit`. Default: no limit. Memory use is bounded with or
   * without a limit.
   */
  limit?: number;
  /**
   * Whether the caller checks the SHA-256 of the content. If so, the decoder
   * can skip the checksum of a frame that has only uncompressed blocks, which
   * saves a copy. Default: `false`.
   */
  comparesSum?: boolean;
}

/**
 * A compression whose output can be concatenated: gzip members or zstd frames.
 */
export interface Codec {
  /** The name of the codec. */
  readonly name: CodecName;
  /** The file name extension of a tar archive that this codec compressed. */
  readonly extension: "tgz" | "tar.zst";

  /**
   * Compresses bytes to one independent gzip member or zstd frame, which
   * carries a checksum of the content. The bytes are compressed off the main
   * thread if the runtime supports that.
   *
   * @param plain The bytes. They must not change until the promise resolves.
   * @param level The level: 1 to 9 for gzip, 1 to 22 for zstd. A runtime
   *   without levels ignores this parameter. Default: the level of the runtime.
   * @returns The compressed bytes. If their `ArrayBuffer` has 256 KiB or more,
   *   nothing else uses this `ArrayBuffer`, so the caller may free it.
   * @throws {DeltarError} `unsupported` for zstd if the runtime cannot write it
   *   (Node before 22.15, a browser). Reading zstd works everywhere.
   */
  compress(plain: Uint8Array, level?: number): Promise<Uint8Array>;

  /**
   * Returns one independent gzip member or zstd frame that holds
   * `plain` uncompressed. The member or frame is slightly larger than the bytes.
   *
   * @param plain The bytes. They must not change until the promise resolves.
   * @throws {DeltarError} `unsupported` for gzip if the runtime has no
   *   `node:zlib`.
   */
  store(plain: Uint8Array): Promise<Uint8Array>;

  /**
   * Yields gzip members or zstd frames that decompress to nothing. The caller
   * appends them to an object, so that the size of the object reveals little
   * about its content. The method is absent if objects are not padded.
   *
   * @param size The size of the object without padding, in bytes.
   */
  padding?(size: number): Generator<Uint8Array>;

  /**
   * Decompresses one or more concatenated members or frames in bounded memory,
   * as the caller reads the result.
   *
   * @param source The compressed bytes.
   * @param options Options for decompressing.
   * @throws {DeltarError} `corrupt` if a member or frame is damaged or followed
   *   by other bytes, `truncated` if the source ends inside a member or frame,
   *   `limit` if there are more decompressed bytes than `options.limit` or a
   *   zstd frame needs a window of more than 128 MiB, `unsupported` if a member
   *   or frame needs a feature that this decoder lacks.
   */
  decompress(
    source: AsyncIterable<Uint8Array>,
    options?: DecompressOptions,
  ): AsyncGenerator<Uint8Array>;

  /**
   * Decompresses whole members or frames that are in memory.
   *
   * @param bytes One or more members or frames.
   * @param limit The maximum number of decompressed bytes.
   * @param options Options for decompressing. Their `limit` is ignored.
   * @throws {DeltarError} The same errors as `decompress`.
   */
  decompressBlock(
    bytes: Uint8Array,
    limit: number,
    options?: DecompressOptions,
  ): Promise<Uint8Array>;
}

const CODECS = { gzip, zstd };

/**
 * Returns the codec for a compression.
 *
 * @param name The name of the compression.
 * @throws {TypeError} If the name is unknown.
 */
export function codecFor(name: CodecName): Codec {
  const codec = CODECS[name];
  if (codec === undefined) throw new TypeError(`unknown codec: ${name}`);
  return codec;
}

/** The format of an archive, as detected from its first bytes. */
export type ArchiveFormat = CodecName | "tar";

/**
 * Detects the format of an archive from its magic number. The first 512 bytes
 * are always enough. gzip needs 2 bytes, zstd needs 4, and a tar that is not
 * empty needs 262.
 *
 * @param head The first bytes of the archive.
 * @returns The format, or `undefined` for an unknown format and for a tar older
 *   than ustar, which has no magic number.
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

/**
 * Returns whether `head` is the start of a tar: a header with a magic number,
 * or, if the tar is empty, 512 zeros.
 */
function isTar(head: Uint8Array): boolean {
  const magic = String.fromCharCode(...head.subarray(257, 262));
  if (magic === "ustar") return true;
  return head.length >= 512 &&
    head.subarray(0, 512).every((byte) => byte === 0);
}
