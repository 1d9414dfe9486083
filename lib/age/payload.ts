import { type ByteSource, chunks, concat } from "../bytes/source.ts";
import { DeltarError } from "../bytes/errors.ts";
import { type ChunkCipher, TAG_BYTES } from "./chunk_cipher.ts";

/** The number of plain bytes in each chunk except the last. */
export const CHUNK_BYTES = 1 << 16;
/** The number of bytes in each encrypted chunk except the last. */
export const SEALED_BYTES: number = CHUNK_BYTES + TAG_BYTES;
/**
 * The number of bytes in a payload's nonce. The nonce is random, differs in
 * each file, and precedes the chunks.
 */
export const NONCE_BYTES = 16;
/**
 * The maximum number of chunks that are encrypted or decrypted at the same
 * time.
 */
const MAX_CHUNKS_AT_ONCE = 32;
/** The maximum number of encrypted chunks that are yielded as one array. */
const MAX_JOINED_CHUNKS = 16;

/**
 * Encrypts the chunks of an age payload
 * (https://c2sp.org/age#payload).
 *
 * @param cipher The cipher with the payload's key.
 * @param source The plain bytes. The source may reuse the memory of an array
 *   when the next array is pulled.
 */
export async function* sealPayload(
  cipher: ChunkCipher,
  source: ByteSource,
): AsyncGenerator<Uint8Array> {
  const sealed = severalAtOnce(
    inChunks(source, CHUNK_BYTES),
    ({ bytes, index, isEnd }) => cipher.seal(nonceOf(index, isEnd), bytes),
  );
  // Chunks are joined, because some storages are much slower with many small
  // arrays.
  let parts: Uint8Array[] = [];
  for await (const part of sealed) {
    if (parts.push(part) < MAX_JOINED_CHUNKS) continue;
    yield concat(parts);
    parts = [];
  }
  if (parts.length > 0) yield concat(parts);
}

/** Options for decrypting chunks. */
export interface OpenOptions {
  /** The name of the file, for errors. */
  object?: string;
  /** The index in the payload of the source's first chunk. Default: 0. */
  index?: number;
  /**
   * The end of the source: `does` if the source must end where the payload
   * ends, `may` if the source can also end earlier. Default: `does`.
   */
  endsThere?: "does" | "may";
}

/**
 * Decrypts the chunks of an age payload. The bytes of a chunk are yielded only
 * after the chunk has been authenticated. If the source ends where the payload
 * ends, the last chunk also proves that no chunk is missing.
 *
 * @param cipher The cipher with the payload's key.
 * @param source The encrypted chunks, beginning with the first byte of a chunk.
 * @param options The name of the file, the index of the first chunk, and
 *   whether the source must end where the payload ends.
 * @throws {DeltarError} `corrupt` if a chunk was changed, shortened, moved or
 *   taken from another file; `truncated` if a chunk is too short to be valid,
 *   or if the source must end where the payload ends and chunks are missing at
 *   the end.
 */
export async function* openPayload(
  cipher: ChunkCipher,
  source: ByteSource,
  { object, index: first = 0, endsThere = "does" }: OpenOptions = {},
): AsyncGenerator<Uint8Array> {
  yield* severalAtOnce(
    inChunks(source, SEALED_BYTES),
    ({ bytes, index, isEnd }) => {
      const mayEnd = isEnd && endsThere === "may";
      if (mayEnd && bytes.length === 0) return bytes;
      return openChunk(cipher, bytes, {
        object,
        index: first + index,
        isLast: mayEnd && bytes.length === SEALED_BYTES ? undefined : isEnd,
      });
    },
  );
}

/**
 * Decrypts the chunks of an age payload that are in memory. All chunks are
 * decrypted at the same time. The result needs about as much memory as the
 * encrypted chunks.
 *
 * @param cipher The cipher with the payload's key.
 * @param sealed The encrypted chunks, beginning with the first byte of a chunk.
 * @param options The same options as for `openPayload`.
 * @returns The plain bytes of each chunk.
 * @throws {DeltarError} The errors of `openPayload`.
 */
export async function openChunks(
  cipher: ChunkCipher,
  sealed: Uint8Array,
  { object, index = 0, endsThere = "does" }: OpenOptions = {},
): Promise<Uint8Array[]> {
  if (sealed.length === 0 && endsThere === "does") throw endsEarly(object);
  const opened: Promise<Uint8Array>[] = [];
  for (let at = 0; at < sealed.length; at += SEALED_BYTES) {
    const bytes = sealed.subarray(at, at + SEALED_BYTES);
    const isEnd = at + SEALED_BYTES >= sealed.length;
    const mayEnd = isEnd && endsThere === "may";
    opened.push(openChunk(cipher, bytes, {
      object,
      index: index + opened.length,
      isLast: mayEnd && bytes.length === SEALED_BYTES ? undefined : isEnd,
    }));
  }
  return await Promise.all(opened);
}

/** The name of a file, and the position of a chunk in its payload. */
interface ChunkPosition {
  object: string | undefined;
  index: number;
  /** Whether the chunk is the last one; `undefined` if that is not known. */
  isLast: boolean | undefined;
}

/**
 * Decrypts a chunk, and returns its plain bytes.
 *
 * @param sealed The chunk. The memory of the chunk may be reused as soon as the
 *   call has returned a promise, unless the chunk is the last one of the
 *   source.
 */
async function openChunk(
  cipher: ChunkCipher,
  sealed: Uint8Array,
  { object, index, isLast }: ChunkPosition,
): Promise<Uint8Array> {
  const size = sealed.length - TAG_BYTES;
  // Only an empty file has an empty chunk.
  if (size < 0 || size === 0 && index > 0) throw endsEarly(object);
  const guess = isLast ?? false;
  try {
    return await cipher.open(nonceOf(index, guess), sealed);
  } catch {
    // The chunk is damaged, or `guess` is wrong.
  }
  // Only the last chunk of the source is tried again, because the memory of an
  // earlier chunk might already hold another chunk.
  if (guess && await opens(cipher, nonceOf(index, false), sealed)) {
    throw endsEarly(object);
  }
  if (isLast === undefined) {
    try {
      return await cipher.open(nonceOf(index, true), sealed);
    } catch {
      // The chunk is damaged.
    }
  }
  throw new DeltarError(
    "corrupt",
    "the encrypted content was changed or belongs to another file",
    { object, offset: index * SEALED_BYTES },
  );
}

/** Returns whether a chunk can be decrypted with this nonce. */
async function opens(
  cipher: ChunkCipher,
  nonce: Uint8Array,
  sealed: Uint8Array,
): Promise<boolean> {
  try {
    await cipher.open(nonce, sealed);
    return true;
  } catch {
    return false;
  }
}

function endsEarly(object: string | undefined): DeltarError {
  return new DeltarError("truncated", "the encrypted file ends early", {
    object,
  });
}

/**
 * Returns the nonce of a chunk, 12 bytes: the index of the chunk as a
 * big-endian number of 11 bytes, and a byte that is 1 for the last chunk of the
 * payload and 0 for every other chunk.
 */
function nonceOf(index: number, isLast: boolean): Uint8Array {
  const nonce = new Uint8Array(12);
  new DataView(nonce.buffer).setBigUint64(3, BigInt(index));
  if (isLast) nonce[11] = 1;
  return nonce;
}

/** A chunk of a source. */
interface Chunk {
  /**
   * The bytes. Unless this is the last chunk, their memory may be reused once
   * the next chunk is requested.
   */
  bytes: Uint8Array;
  /** The number of chunks before this one. */
  index: number;
  /** Whether the source ends with this chunk. */
  isEnd: boolean;
}

/**
 * Yields a source in chunks of `size` bytes. The last chunk can be shorter. An
 * empty source yields one empty chunk.
 */
async function* inChunks(
  source: ByteSource,
  size: number,
): AsyncGenerator<Chunk> {
  // This buffer holds the beginning of a chunk, or a whole chunk that might be
  // the last one.
  let begun = new Uint8Array(0);
  let used = 0;
  let index = 0;
  for await (const part of chunks(source)) {
    for (let at = 0; at < part.length;) {
      if (used === size) {
        yield { bytes: begun, index: index++, isEnd: false };
        used = 0;
      }
      if (used === 0 && part.length - at > size) {
        const bytes = part.subarray(at, at + size);
        yield { bytes, index: index++, isEnd: false };
        at += size;
        continue;
      }
      const length = Math.min(part.length - at, size - used);
      if (used + length > begun.length) {
        const isSmall = used + length <= size / 16;
        const larger = new Uint8Array(isSmall ? used + length : size);
        larger.set(begun.subarray(0, used));
        begun = larger;
      }
      begun.set(part.subarray(at, at + length), used);
      used += length;
      at += length;
    }
  }
  yield { bytes: begun.subarray(0, used), index, isEnd: true };
}

/**
 * Yields the result of `work` for each chunk, in the order of the chunks. Later
 * chunks are requested while earlier chunks are being worked on.
 *
 * @param work Called with each chunk. `work` must read the bytes of the chunk
 *   before it returns.
 */
async function* severalAtOnce(
  chunks: AsyncGenerator<Chunk>,
  work: (chunk: Chunk) => Uint8Array | Promise<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  const coming: Promise<Uint8Array>[] = [];
  try {
    for await (const chunk of chunks) {
      const next = Promise.resolve(work(chunk));
      // An error is thrown when this promise is awaited below. Until then, this
      // handler keeps the runtime from reporting an unhandled rejection.
      next.catch(() => {});
      coming.push(next);
      const [first] = coming;
      if (coming.length >= MAX_CHUNKS_AT_ONCE) {
        coming.shift();
        yield await first;
      }
    }
    for (const next of coming) yield await next;
  } finally {
    await Promise.allSettled(coming);
  }
}

/**
 * Returns the size of a payload in bytes, including its nonce.
 *
 * @param size The number of plain bytes.
 */
export function payloadSize(size: number): number {
  const count = Math.max(1, Math.ceil(size / CHUNK_BYTES));
  return NONCE_BYTES + size + count * TAG_BYTES;
}

/**
 * Returns the number of plain bytes in a payload, or `undefined` if no payload
 * can have this size.
 *
 * @param size The size of the payload in bytes, including its nonce.
 */
export function plainSize(size: number): number | undefined {
  const sealed = size - NONCE_BYTES;
  const count = Math.ceil(sealed / SEALED_BYTES);
  const plain = sealed - count * TAG_BYTES;
  return plain >= 0 && payloadSize(plain) === size ? plain : undefined;
}
