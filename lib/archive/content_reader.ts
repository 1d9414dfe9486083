import { DeltarError } from "../bytes/errors.ts";
import { chunks, collect } from "../bytes/source.ts";
import type { Storage } from "../storage/storage.ts";
import type { Codec } from "./codec.ts";
import type { ContentReference } from "./content_reference.ts";

/**
 * The maximum number of decompressed bytes that a range can have before its
 * content, the maximum number after its content, and the default limit of
 * `readRange`.
 */
const MAX_BYTES_BEHIND = 64 * 1024 * 1024;

/** Options for reading content. */
export interface ReadContentOptions {
  /** The path of the file with this content, for messages. */
  path?: string;
  /** The signal that aborts the read with an error of code `aborted`. */
  signal?: AbortSignal;
  /**
   * Whether the caller checks the SHA-256 of the content; see
   * `DecompressOptions`. Default: `false`.
   */
  comparesSum?: boolean;
}

/** Options for reading a range. */
export interface ReadRangeOptions extends ReadContentOptions {
  /** The maximum number of decompressed bytes of the range. Default: 64 MiB. */
  limit?: number;
}

/**
 * Reads, with one ranged `get`, the content that a reference points to. The
 * whole range is decompressed, so that the checksums of its frames are checked,
 * except for those that `comparesSum` makes unnecessary.
 *
 * @param storage The storage of the volume.
 * @param reference The range of the volume. It can come from an untrusted
 *   source.
 * @param size The length of the content in bytes.
 * @param codec The compression of the volume.
 * @param options Options for reading content.
 * @throws {DeltarError} `corrupt` if the reference is invalid or the range does
 *   not hold content of that size, `limit` if more than 64 MiB of decompressed
 *   bytes precede or follow the content in the range, and the errors of the
 *   storage and the codec.
 */
export async function* readContent(
  storage: Storage,
  reference: ContentReference,
  size: number,
  codec: Codec,
  options: ReadContentOptions = {},
): AsyncGenerator<Uint8Array> {
  checkNumber("size", size, reference);
  let skip = reference.skip;
  let left = size;
  checkNumber("skip", skip, reference);
  if (skip > MAX_BYTES_BEHIND) {
    throw new DeltarError(
      "limit",
      `too many bytes before the content: ${skip}, at most ${MAX_BYTES_BEHIND}`,
      {
        object: reference.volume,
        path: options.path,
        offset: reference.offset,
      },
    );
  }
  const limit = skip + size + MAX_BYTES_BEHIND;
  for await (
    const chunk of plainRange(storage, reference, codec, limit, options)
  ) {
    const from = Math.min(skip, chunk.length);
    skip -= from;
    const part = chunk.subarray(from, from + left);
    left -= part.length;
    if (part.length > 0) yield part;
  }
  if (left > 0 || skip > 0) {
    throw new DeltarError("corrupt", "the content is shorter than recorded", {
      object: reference.volume,
      path: options.path,
      offset: reference.offset,
    });
  }
}

/**
 * Reads and decompresses the whole range of a reference, for a caller that
 * needs several contents of one range, each at its own `skip`.
 *
 * @param storage The storage of the volume.
 * @param reference The range of the volume.
 * @param codec The compression of the volume.
 * @param options Options for reading a range. The path is not used.
 * @throws {DeltarError} `corrupt` if the reference is invalid, `limit` if the
 *   range decompresses to more than `options.limit` bytes, and the errors of
 *   the storage and the codec.
 */
export function readRange(
  storage: Storage,
  reference: ContentReference,
  codec: Codec,
  options: ReadRangeOptions = {},
): Promise<Uint8Array> {
  const { limit = MAX_BYTES_BEHIND } = options;
  return collect(plainRange(storage, reference, codec, limit, options));
}

/**
 * Reads the whole range of a reference into memory without decompressing it.
 *
 * @param storage The storage of the volume.
 * @param reference The range of the volume. The caller must limit its length.
 * @param options The signal.
 * @returns The bytes, in a buffer that nothing else uses.
 * @throws {DeltarError} `corrupt` if the reference is invalid or the storage
 *   returns more bytes than requested, and the errors of the storage.
 */
export async function readPackedRange(
  storage: Storage,
  reference: ContentReference,
  { signal }: ReadContentOptions = {},
): Promise<Uint8Array<ArrayBuffer>> {
  const { volume, offset, length } = reference;
  checkNumber("offset", offset, reference);
  checkNumber("length", length, reference);
  const bytes = new Uint8Array(length);
  let at = 0;
  for await (
    const part of chunks(storage.get(volume, { offset, length, signal }))
  ) {
    if (part.length > length - at) {
      throw new DeltarError(
        "corrupt",
        `the storage returned more than the ${length} bytes that were requested`,
        { object: volume, offset },
      );
    }
    bytes.set(part, at);
    at += part.length;
  }
  return bytes.subarray(0, at);
}

function plainRange(
  storage: Storage,
  reference: ContentReference,
  codec: Codec,
  limit: number,
  { signal, comparesSum }: ReadContentOptions,
): AsyncIterable<Uint8Array> {
  const { volume, offset, length } = reference;
  checkNumber("offset", offset, reference);
  checkNumber("length", length, reference);
  return codec.decompress(storage.get(volume, { offset, length, signal }), {
    object: volume,
    offset,
    limit,
    comparesSum,
  });
}

function checkNumber(
  name: string,
  value: number,
  reference: ContentReference,
): void {
  if (Number.isSafeInteger(value) && value >= 0) return;
  throw new DeltarError(
    "corrupt",
    `invalid ${name} in a content reference: ${value}`,
    {
      object: reference.volume,
    },
  );
}
