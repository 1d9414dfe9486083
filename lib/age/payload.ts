import { type ByteSource, chunks } from "../bytes/source.ts";
import { DeltarError } from "../bytes/errors.ts";
import { type ChunkCipher, TAG_BYTES } from "./chunk_cipher.ts";

/** The number of plain bytes in each chunk but the last. */
export const CHUNK_BYTES = 1 << 16;
/** The number of bytes of a chunk in the file. */
export const SEALED_BYTES: number = CHUNK_BYTES + TAG_BYTES;
/** The number of random bytes before the chunks, which no two files share. */
export const NONCE_BYTES = 16;
/** The maximum number of chunks that are encrypted or decrypted at once. */
const MAX_AT_ONCE = 16;

/**
 * Encrypts the chunks of an age payload
 * (https://c2sp.org/age#payload).
 *
 * @param cipher The cipher with the payload's key.
 * @param source The plain bytes. Each of its chunks is used before the next.
 */
export async function* sealPayload(
  cipher: ChunkCipher,
  source: ByteSource,
): AsyncGenerator<Uint8Array> {
  const batches = inBatches(source, CHUNK_BYTES);
  yield* inOrder(
    batches,
    ({ bytes, index, isEnd }) => sealBatch(cipher, bytes, index, isEnd),
  );
}

/** Options for decrypting chunks. */
export interface OpenOptions {
  /** The name of the file, for errors. */
  object?: string;
  /** The index of the first chunk of the source. Default: 0. */
  index?: number;
  /**
   * Whether the source ends with the payload. If it `may`, the last chunk of
   * the source may be any chunk of the payload. Default: `does`.
   */
  endsThere?: "does" | "may";
}

/**
 * Decrypts the chunks of an age payload. Bytes are yielded after their chunk was
 * authenticated. The last chunk also proves that no chunk is missing.
 *
 * @param cipher The cipher with the payload's key.
 * @param source The encrypted chunks, from the start of one.
 * @throws {DeltarError} `corrupt` if a chunk is not the one that was encrypted,
 *   `truncated` if chunks are missing at the end.
 */
export async function* openPayload(
  cipher: ChunkCipher,
  source: ByteSource,
  { object, index: first = 0, endsThere = "does" }: OpenOptions = {},
): AsyncGenerator<Uint8Array> {
  const batches = inBatches(source, SEALED_BYTES);
  yield* inOrder(batches, async ({ bytes, index, isEnd }) => {
    if (isEnd && bytes.length === 0 && endsThere === "may") return bytes;
    return await openChunks(cipher, bytes, {
      index: first + index,
      ...isEnd && { endsThere },
      object,
    });
  });
}

/** Adjacent chunks, without the end of the payload unless it is stated. */
interface ChunksToOpen {
  object: string | undefined;
  index: number;
  endsThere?: "does" | "may";
}

/** Decrypts adjacent chunks. */
async function openChunks(
  cipher: ChunkCipher,
  sealed: Uint8Array,
  { index, endsThere, object }: ChunksToOpen,
): Promise<Uint8Array> {
  const count = Math.max(1, Math.ceil(sealed.length / SEALED_BYTES));
  const last = sealed.length - (count - 1) * SEALED_BYTES - TAG_BYTES;
  // Only an empty file has an empty chunk.
  if (last < 0 || last === 0 && index + count > 1) throw endsEarly(object);
  const plain = new Uint8Array(sealed.length - count * TAG_BYTES);
  const open = async (at: number) => {
    const start = at * SEALED_BYTES;
    const chunk = sealed.subarray(start, start + SEALED_BYTES);
    const isEnd = endsThere !== undefined && at === count - 1;
    // A chunk that is shorter than others can only be the last.
    const flags = !isEnd
      ? [false]
      : endsThere === "may" && chunk.length === SEALED_BYTES
      ? [false, true]
      : [true];
    const opened = await openChunk(cipher, chunk, index + at, flags) ??
      await openChunk(cipher, chunk, index + at, [!flags[0]]);
    if (opened === undefined) {
      throw new DeltarError(
        "corrupt",
        "the encrypted content was changed or belongs to another file",
        { object, offset: (index + at) * SEALED_BYTES },
      );
    }
    if (!flags.includes(opened.isLast)) {
      throw opened.isLast
        ? new DeltarError("corrupt", "bytes after the end of the file", {
          object,
        })
        : endsEarly(object);
    }
    plain.set(opened.bytes, at * CHUNK_BYTES);
  };
  await Promise.all(Array.from({ length: count }, (_, at) => open(at)));
  return plain;
}

/**
 * Decrypts a chunk that is the last one or not.
 *
 * @param flags The values to try of whether it is the last.
 * @returns `undefined` if the chunk cannot be decrypted.
 */
async function openChunk(
  cipher: ChunkCipher,
  chunk: Uint8Array,
  index: number,
  flags: boolean[],
): Promise<{ bytes: Uint8Array; isLast: boolean } | undefined> {
  for (const isLast of flags) {
    try {
      const bytes = await cipher.open(nonceOf(index, isLast), chunk);
      return { bytes, isLast };
    } catch {
      // Another flag, or not this chunk.
    }
  }
  return undefined;
}

function endsEarly(object: string | undefined): DeltarError {
  return new DeltarError("truncated", "the encrypted file ends early", {
    object,
  });
}

/** Encrypts adjacent chunks. */
async function sealBatch(
  cipher: ChunkCipher,
  plain: Uint8Array,
  index: number,
  isEnd: boolean,
): Promise<Uint8Array> {
  const count = Math.max(1, Math.ceil(plain.length / CHUNK_BYTES));
  const sealed = new Uint8Array(plain.length + count * TAG_BYTES);
  await Promise.all(Array.from({ length: count }, async (_, at) => {
    const start = at * CHUNK_BYTES;
    const chunk = plain.subarray(start, start + CHUNK_BYTES);
    const nonce = nonceOf(index + at, isEnd && at === count - 1);
    sealed.set(await cipher.seal(nonce, chunk), at * SEALED_BYTES);
  }));
  return sealed;
}

/** Returns the nonce of a chunk: its index and whether it is the last. */
function nonceOf(index: number, isLast: boolean): Uint8Array {
  const nonce = new Uint8Array(12);
  new DataView(nonce.buffer).setBigUint64(3, BigInt(index));
  if (isLast) nonce[11] = 1;
  return nonce;
}

/** Adjacent chunks. The memory is used again for the batch after the next. */
interface Batch {
  /** The chunks. */
  bytes: Uint8Array;
  /** The index of the first chunk. */
  index: number;
  /** Whether the source ends with these chunks. */
  isEnd: boolean;
}

/**
 * Yields a source in batches of at most `MAX_AT_ONCE` chunks, and at least one
 * batch, which may be empty.
 *
 * @param size The size of a chunk in bytes.
 */
async function* inBatches(
  source: ByteSource,
  size: number,
): AsyncGenerator<Batch> {
  const capacity = size * MAX_AT_ONCE;
  // One batch is filled while the one before is encrypted or decrypted.
  let [memory, other] = [new Uint8Array(size), new Uint8Array(0)];
  let used = 0;
  let index = 0;
  for await (const part of chunks(source)) {
    for (let at = 0; at < part.length;) {
      // What may be the last chunk waits for more bytes.
      if (used === capacity) {
        yield { bytes: memory, index, isEnd: false };
        index += MAX_AT_ONCE;
        used = 0;
        [memory, other] = [
          other.length === 0 ? new Uint8Array(capacity) : other,
          memory,
        ];
      }
      if (used === memory.length) {
        const larger = new Uint8Array(Math.min(2 * used, capacity));
        larger.set(memory);
        memory = larger;
      }
      const length = Math.min(part.length - at, memory.length - used);
      memory.set(part.subarray(at, at + length), used);
      used += length;
      at += length;
    }
  }
  yield { bytes: memory.subarray(0, used), index, isEnd: true };
}

/**
 * Yields the results of work on batches in their order. The next batch is
 * collected during the work on the one before.
 */
async function* inOrder(
  batches: AsyncGenerator<Batch>,
  work: (batch: Batch) => Promise<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  let coming: Promise<Uint8Array> | undefined;
  try {
    for await (const batch of batches) {
      const before = coming;
      const next = work(batch);
      // If the batch before fails, nobody awaits this one.
      next.catch(() => {});
      coming = next;
      if (before !== undefined) yield await before;
    }
    if (coming !== undefined) yield await coming;
  } finally {
    await coming?.catch(() => {});
  }
}

/** Returns the size of the payload, with its nonce, of `size` plain bytes. */
export function payloadSize(size: number): number {
  const count = Math.max(1, Math.ceil(size / CHUNK_BYTES));
  return NONCE_BYTES + size + count * TAG_BYTES;
}

/**
 * Returns the number of plain bytes of a payload of `size` bytes, with its
 * nonce, or `undefined` if no payload has this size.
 */
export function plainSize(size: number): number | undefined {
  const sealed = size - NONCE_BYTES;
  const count = Math.ceil(sealed / SEALED_BYTES);
  const plain = sealed - count * TAG_BYTES;
  return plain >= 0 && payloadSize(plain) === size ? plain : undefined;
}
