import { type Head, headLength, readHead } from "../age/header.ts";
import type { AgeKey, AgeRecipient } from "../age/header.ts";
import {
  CHUNK_BYTES,
  NONCE_BYTES,
  openChunks,
  openPayload,
  plainSize,
  SEALED_BYTES,
} from "../age/payload.ts";
import { decrypt, encrypt } from "../age/mod.ts";
import { ByteReader } from "../bytes/byte_reader.ts";
import { DeltarError } from "../bytes/errors.ts";
import { toHex } from "../bytes/hex.ts";
import { createSha256 } from "../bytes/sha256.ts";
import { type ByteSource, chunks, collect } from "../bytes/source.ts";
import { checkAborted } from "../bytes/abort.ts";
import type { Sharing } from "./local_modes.ts";
import { AGE_SUFFIX, checkName } from "./names.ts";
import { padText, unpadText } from "./padded_text.ts";
import type {
  GetOptions,
  PutOptions,
  Storage,
  StoredObject,
} from "./storage.ts";

/**
 * The maximum number of objects whose heads are kept in memory. A head is the
 * age header of an object and the nonce that follows the header.
 */
const MAX_HEADS = 256;

/**
 * The maximum number of payload chunks in a range that is decrypted completely
 * before its first byte is yielded. A payload chunk is a part of an object that
 * age encrypts separately from the other parts. Each payload chunk has 64 KiB,
 * except that the last one of an object can be shorter.
 */
const MAX_WHOLE_CHUNKS = 32;

/**
 * The maximum number of objects for which a decrypted payload chunk is kept in
 * memory.
 */
const MAX_KEPT_CHUNKS = 16;

/** The last payload chunk of the most recently requested range of an object. */
interface LastChunk {
  /** The index of the payload chunk in its object, from 0. */
  index: number;
  /** The decrypted payload chunk; `undefined` if it could not be read. */
  bytes: Promise<Uint8Array | undefined>;
}

/**
 * The number of bytes that are fetched to read the head of an object. The head
 * of an object that is encrypted for up to four X25519 recipients is shorter.
 */
const HEAD_FETCH_BYTES = 512;

/** Options for an {@linkcode EncryptedStorage}. */
export interface EncryptedOptions {
  /** The keys to decrypt with, which are tried in order. */
  keys: readonly AgeKey[];
  /**
   * Called with the name of an object. Returns the recipients that the object
   * is encrypted for. Each recipient must take up the same number of bytes in
   * the head of an age file, so that the size of the head depends only on the
   * number of recipients. The head is the header and the nonce after it.
   */
  recipientsOf: (name: string) => readonly AgeRecipient[];
  /**
   * Whether the storage can contain objects that none of `keys` can decrypt.
   * Reading such an object throws an error of code `key` if `isPartial` is
   * `true`, and of code `corrupt` if `isPartial` is `false`. Default: `false`.
   */
  isPartial?: boolean;
  /**
   * Called with the name of an object, with or without `.age`. Returns
   * `encrypted` if the object is stored encrypted, `clear` if it is stored
   * without encryption, or `foreign` if it does not belong to this storage.
   * Default: all objects are encrypted.
   */
  kindOf?: (name: string) => "encrypted" | "clear" | "foreign";
  /**
   * Called with the name of an object. Returns whether the object is text that
   * is padded with spaces at the end of its last line. The spaces are removed
   * when the whole object is read. Ranges of the object, and its size in lists,
   * include the spaces. Default: no object is padded.
   */
  isPadded?: (name: string) => boolean;
  /**
   * Called after each encrypted object is stored, with its name in the inner
   * storage and the size and SHA-256 of its encrypted bytes.
   */
  onStored?: (object: StoredFile) => void;
}

/** An encrypted object as it is stored in the inner storage. */
export interface StoredFile extends StoredObject {
  /** The SHA-256 of the encrypted bytes, in hexadecimal. */
  sha256: string;
}

/**
 * A storage whose objects are stored in another storage, the inner storage, as
 * age files (https://c2sp.org/age). The object `x` is the file `x.age`, which
 * `age -d` decrypts. Objects for which `kindOf` returns `clear` are stored
 * without encryption, and objects for which it returns `foreign` are not
 * listed.
 *
 * To read a range, this class decrypts all payload chunks of 64 KiB that
 * overlap the range. Every byte of an encrypted object is authenticated before
 * it is yielded. The operator of the inner storage can see how many objects
 * there are, and the name and the encrypted size of each object. The encrypted
 * size includes any padding.
 */
export class EncryptedStorage implements Storage {
  /** The location of the inner storage. */
  readonly location: string;
  /**
   * The path of the inner storage's folder; absent if the inner storage is not
   * a folder on this machine.
   */
  readonly localPath?: string;
  readonly #inner: Storage;
  readonly #keys: readonly AgeKey[];
  readonly #recipientsOf: EncryptedOptions["recipientsOf"];
  readonly #isPartial: boolean;
  readonly #kindOf: NonNullable<EncryptedOptions["kindOf"]>;
  readonly #onStored: EncryptedOptions["onStored"];
  readonly #isPadded: NonNullable<EncryptedOptions["isPadded"]>;
  /** The heads that were read most recently, by object name. */
  readonly #heads = new Map<string, Promise<Head>>();
  /**
   * The last payload chunk of the most recently requested range of each object,
   * by object name. The next range often begins in this payload chunk.
   */
  readonly #lastChunks = new Map<string, LastChunk>();
  /** The length of a head in bytes, by the number of recipients. */
  readonly #headLengths = new Map<number, Promise<number>>();

  /**
   * Makes an encrypted view of a storage. Does not read the storage yet.
   *
   * @param inner The storage of the age files.
   * @param options The keys, and the functions that decide how each object is
   *   handled.
   */
  constructor(inner: Storage, options: EncryptedOptions) {
    const { keys, recipientsOf, isPartial = false } = options;
    this.location = inner.location;
    if (inner.localPath !== undefined) this.localPath = inner.localPath;
    this.#inner = inner;
    this.#keys = keys;
    this.#recipientsOf = recipientsOf;
    this.#isPartial = isPartial;
    this.#kindOf = options.kindOf ?? (() => "encrypted");
    this.#onStored = options.onStored;
    this.#isPadded = options.isPadded ?? (() => false);
  }

  /** Reads an object; see {@linkcode Storage.get}. */
  async *get(
    name: string,
    options: GetOptions = {},
  ): AsyncGenerator<Uint8Array> {
    checkName(name);
    if (this.#kindOf(name) === "clear") {
      yield* this.#inner.get(name, options);
      return;
    }
    const { offset = 0, length } = options;
    try {
      if (offset === 0 && length === undefined) {
        const file = this.#inner.get(name + AGE_SUFFIX, options);
        const plain = decrypt(file, this.#keys, name);
        yield* this.#isPadded(name) ? unpadText(plain) : plain;
      } else yield* this.#range(name, options);
    } catch (error) {
      throw this.#named(error, name);
    }
  }

  /** Stores an object; see {@linkcode Storage.put}. */
  async put(
    name: string,
    source: ByteSource,
    options?: PutOptions,
  ): Promise<void> {
    checkName(name);
    if (this.#kindOf(name) === "clear") {
      return this.#inner.put(name, source, options);
    }
    this.#forget(name);
    const wanted = whileWanted(source, options?.signal);
    const plain = this.#isPadded(name) ? padText(wanted) : wanted;
    const file = encrypt(plain, this.#recipientsOf(name));
    const tally = { sum: createSha256(), size: 0 };
    try {
      await this.#inner.put(
        name + AGE_SUFFIX,
        this.#onStored === undefined ? file : tallied(file, tally),
        options,
      );
    } catch (error) {
      throw this.#named(error, name);
    }
    const { size, sum } = tally;
    this.#onStored?.({
      name: name + AGE_SUFFIX,
      size,
      sha256: toHex(sum.digest()),
    });
  }

  /**
   * Lists the objects under a prefix; see {@linkcode Storage.list}. The size of
   * an object is correct only if the object is encrypted for the number of
   * recipients that `recipientsOf` returns for its name.
   */
  async *list(prefix?: string): AsyncGenerator<StoredObject> {
    for await (const { name, size } of this.#inner.list(prefix)) {
      const kind = this.#kindOf(name);
      if (kind === "clear") yield { name, size };
      if (kind !== "encrypted" || !name.endsWith(AGE_SUFFIX)) continue;
      const plain = name.slice(0, -AGE_SUFFIX.length);
      if (prefix !== undefined && !plain.startsWith(prefix)) continue;
      const head = await this.#headLengthOf(plain) - NONCE_BYTES;
      // An object with an impossible encrypted size is listed with size 0, so
      // that the caller finds the damage.
      yield { name: plain, size: plainSize(size - head) ?? 0 };
    }
  }

  /** Deletes an object; see {@linkcode Storage.delete}. */
  async delete(name: string): Promise<void> {
    checkName(name);
    this.#forget(name);
    const isClear = this.#kindOf(name) === "clear";
    const stored = isClear ? name : name + AGE_SUFFIX;
    await this.#inner.delete(stored);
  }

  /**
   * Deletes unfinished writes of the inner storage; see
   * {@linkcode Storage.tidy}.
   */
  async tidy(before: number): Promise<void> {
    await this.#inner.tidy?.(before);
  }

  /** Prepares the inner storage; see {@linkcode Storage.prepare}. */
  prepare(shared?: Sharing): void {
    this.#inner.prepare?.(shared);
  }

  /**
   * Deletes the unfinished writes of killed processes; see
   * {@linkcode Storage.clearAbandoned}.
   */
  clearAbandoned(): void {
    this.#inner.clearAbandoned?.();
  }

  /**
   * Returns whether an untrusted person might have written the objects of the
   * inner storage; see {@linkcode Storage.belongsToOthers}.
   */
  belongsToOthers(): boolean {
    return this.#inner.belongsToOthers?.() ?? false;
  }

  /** Reads a range by decrypting the payload chunks that overlap it. */
  async *#range(
    name: string,
    { offset = 0, length, clamp, fresh, signal }: GetOptions,
  ): AsyncGenerator<Uint8Array> {
    // If the range could be empty, the byte before the range is read too, to
    // check that the object is long enough.
    const from = length ? offset : Math.max(0, offset - 1);
    const first = Math.floor(from / CHUNK_BYTES);
    const end = length === undefined ? undefined : offset + length;
    const count = end === undefined
      ? undefined
      : Math.max(1, Math.ceil(end / CHUNK_BYTES) - first);
    let at = first * CHUNK_BYTES;
    const how = { fresh, signal };
    const plain = count !== undefined && count <= MAX_WHOLE_CHUNKS
      ? this.#fewChunks(name, first, count, how)
      : this.#manyChunks(name, first, count, how);
    for await (const part of plain) {
      const skip = Math.max(0, offset - at);
      const stop = Math.min(part.length, (end ?? Infinity) - at);
      at += part.length;
      if (stop > skip) yield part.subarray(skip, stop);
    }
    const isShort = offset > at || end !== undefined && end > at && !clamp;
    if (isShort) {
      throw new DeltarError(
        "truncated",
        "the requested range reaches beyond the end of the object",
        {
          object: name,
          offset: at,
        },
      );
    }
  }

  /** Yields payload chunks as they are decrypted; see `#chunks`. */
  async *#manyChunks(
    name: string,
    first: number,
    count: number | undefined,
    options: GetOptions,
  ): AsyncGenerator<Uint8Array> {
    const { cipher, sealed } = await this.#chunks(name, first, count, options);
    yield* openPayload(cipher, sealed, {
      object: name,
      index: first,
      endsThere: count === undefined ? "does" : "may",
    });
  }

  /**
   * Yields up to `count` payload chunks after all of them have been decrypted.
   * Yields fewer at the end of the object. If the first chunk is kept in
   * `#lastChunks`, it is not read again, unless `fresh` is set.
   */
  async *#fewChunks(
    name: string,
    first: number,
    count: number,
    options: GetOptions,
  ): AsyncGenerator<Uint8Array> {
    const before = options.fresh ? undefined : this.#lastChunks.get(name);
    const shared = before?.index === first ? before.bytes : undefined;
    const reading = this.#readChunks(name, first, count, options, shared);
    const bytes = reading.then(
      (chunks) => chunks.length === count ? chunks.at(-1) : undefined,
      // The error is thrown where `reading` is awaited.
      () => undefined,
    );
    this.#lastChunks.delete(name);
    this.#lastChunks.set(name, { index: first + count - 1, bytes });
    if (this.#lastChunks.size > MAX_KEPT_CHUNKS) {
      const [oldest] = this.#lastChunks.keys();
      this.#lastChunks.delete(oldest);
    }
    yield* await reading;
  }

  async #readChunks(
    name: string,
    first: number,
    count: number,
    options: GetOptions,
    shared: LastChunk["bytes"] | undefined,
  ): Promise<Uint8Array[]> {
    const read = async (first: number, count: number) => {
      const { cipher, sealed } = await this.#chunks(
        name,
        first,
        count,
        options,
      );
      return await openChunks(cipher, await collect(sealed), {
        object: name,
        index: first,
        endsThere: "may",
      });
    };
    if (shared !== undefined) {
      try {
        const rest = count > 1 ? read(first + 1, count - 1) : [];
        const [bytes, others] = await Promise.all([shared, rest]);
        if (bytes !== undefined) return [bytes, ...others];
      } catch {
        // The whole range is read below. If the error persists, that read
        // throws it.
      }
    }
    return await read(first, count);
  }

  /** Drops the head and the payload chunk that are kept for an object. */
  #forget(name: string): void {
    this.#heads.delete(name);
    this.#lastChunks.delete(name);
  }

  /**
   * Requests payload chunks of an object and, if the object's head is not
   * known, the head. If `first` is 0, one request asks for the head and the
   * payload chunks.
   *
   * @param first The index of the first payload chunk.
   * @param count The number of payload chunks; `undefined` to read up to the
   *   end of the object.
   */
  async #chunks(
    name: string,
    first: number,
    count: number | undefined,
    options: GetOptions,
  ): Promise<{ cipher: Head["cipher"]; sealed: ByteSource }> {
    const get = (offset: number, length: number | undefined) =>
      this.#inner.get(name + AGE_SUFFIX, {
        ...options,
        offset,
        ...length !== undefined && { length, clamp: true },
      });
    const length = count === undefined ? undefined : count * SEALED_BYTES;
    const isKnown = !options.fresh && this.#heads.has(name);
    if (first === 0 && !isKnown) {
      const expected = await this.#headLengthOf(name);
      const source = get(0, length === undefined ? length : expected + length);
      const reader = new ByteReader(source, { object: name });
      const head = await readHead(reader, this.#keys);
      this.#keepHead(name, Promise.resolve(head));
      if (head.bytes.length === expected || length === undefined) {
        return { cipher: head.cipher, sealed: reader.rest() };
      }
      // The object has a different number of recipients than expected, so the
      // requested length was wrong.
      await reader.cancel();
    }
    const { bytes, cipher } = await this.#head(name, options);
    const start = bytes.length + first * SEALED_BYTES;
    return { cipher, sealed: get(start, length) };
  }

  /**
   * Returns the head of an object, and keeps the head for reading further
   * ranges.
   */
  #head(name: string, options: GetOptions): Promise<Head> {
    let head = options.fresh ? undefined : this.#heads.get(name);
    if (head === undefined) {
      head = this.#readHead(name, options);
      head.catch(() => this.#heads.delete(name));
      this.#keepHead(name, head);
    }
    return head;
  }

  #keepHead(name: string, head: Promise<Head>): void {
    if (this.#heads.size >= MAX_HEADS) {
      const [oldest] = this.#heads.keys();
      this.#heads.delete(oldest);
    }
    this.#heads.set(name, head);
  }

  async #readHead(name: string, options: GetOptions): Promise<Head> {
    const reader = new ByteReader(
      this.#inner.get(name + AGE_SUFFIX, {
        ...options,
        offset: 0,
        length: HEAD_FETCH_BYTES,
        clamp: true,
      }),
      { object: name },
    );
    try {
      return await readHead(reader, this.#keys);
    } finally {
      await reader.cancel();
    }
  }

  #headLengthOf(name: string): Promise<number> {
    const recipients = this.#recipientsOf(name);
    let length = this.#headLengths.get(recipients.length);
    if (length === undefined) {
      length = headLength(recipients);
      this.#headLengths.set(recipients.length, length);
    }
    return length;
  }

  /**
   * Returns an error in which the name of the age file is replaced by the name
   * of the object. Unless `isPartial` is set, an error of code `key` becomes an
   * error of code `corrupt`.
   */
  #named(error: unknown, name: string): unknown {
    if (!(error instanceof DeltarError)) return error;
    const { object, offset, path, cause, code } = error;
    if (code === "key" && !this.#isPartial) {
      return new DeltarError(
        "corrupt",
        "the object is not encrypted for the keys of this repository",
        { object: name, cause },
      );
    }
    if (object !== name + AGE_SUFFIX) return error;
    const message = error.message.slice(`${object}: `.length)
      .replace(` (at byte ${offset})`, "");
    return new DeltarError(code, message, {
      object: name,
      offset,
      path,
      cause,
    });
  }
}

/**
 * Yields the arrays of a source. Throws an error of code `aborted` if the
 * signal has fired.
 */
async function* whileWanted(
  source: ByteSource,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  checkAborted(signal);
  for await (const part of chunks(source)) {
    yield part;
    checkAborted(signal);
  }
}

/**
 * Yields the arrays of a source, and adds each array to the size and SHA-256 in
 * `tally`.
 */
async function* tallied(
  source: AsyncIterable<Uint8Array>,
  tally: { sum: ReturnType<typeof createSha256>; size: number },
): AsyncGenerator<Uint8Array> {
  for await (const part of source) {
    tally.sum.update(part);
    tally.size += part.length;
    yield part;
  }
}
