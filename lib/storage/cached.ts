import { checkAborted } from "../bytes/abort.ts";
import { toHex } from "../bytes/hex.ts";
import { sha256 } from "../bytes/sha256.ts";
import {
  type ByteSource,
  chunks,
  collect,
  collectAtMost,
  concat,
} from "../bytes/source.ts";
import { checkName } from "./names.ts";
import { rangeIn } from "./range.ts";
import type {
  GetOptions,
  PutOptions,
  Storage,
  StoredObject,
} from "./storage.ts";

/** Options for a cache. */
export interface CachedStorageOptions {
  /**
   * Called with the name of an object. Returns whether to cache the object. A
   * cached object must never be replaced by an object with different bytes.
   */
  keeps: (name: string) => boolean;
  /**
   * The maximum size of the cache in bytes. An object or range that is larger
   * than a quarter of this size, or than 16 MiB, is not cached. Default: 1 GiB.
   */
  maxBytes?: number;
}

const GIBIBYTE = 2 ** 30;
/** The maximum size of an object or range that is cached, in bytes. */
const MAX_OBJECT_BYTES = 16 << 20;
/** The length in bytes of the SHA-256 at the end of each cached object. */
const SUM_BYTES = 32;

/**
 * A storage that caches whole objects, or the ranges of objects that were read,
 * in a second, faster storage. Cached bytes are checked whenever they are used,
 * so a lost or damaged cache causes extra requests, but never wrong bytes. When
 * the cache is full, cached objects are deleted in the order of their names,
 * until a fifth of the cache is free. This order ignores the first segment of
 * each name. So if the rest of each name begins with a time, the oldest objects
 * are deleted first.
 *
 * Only objects and ranges that were written or read completely through this
 * storage are cached. Listings, and reads with `fresh`, always come from the
 * inner storage.
 *
 * @example Read from the cache
 * ```ts
 * import { MemoryStorage } from "@deltar/deltar";
 * import { CachedStorage } from "@deltar/deltar/storage";
 * import assert from "node:assert/strict";
 *
 * const far = new MemoryStorage();
 * const storage = new CachedStorage(far, new MemoryStorage(), {
 *   keeps: (name) => name.startsWith("trees/"),
 * });
 * await storage.put("trees/1", new Uint8Array(10));
 * far.objects.clear();
 * assert.equal((await Array.fromAsync(storage.get("trees/1")))[0].length, 10);
 * ```
 */
export class CachedStorage implements Storage {
  /** The location of the inner storage. */
  readonly location: string;
  readonly #inner: Storage;
  readonly #cache: Storage;
  readonly #keeps: (name: string) => boolean;
  readonly #maxBytes: number;
  /**
   * The total size of the cached objects in bytes; `undefined` until the
   * objects have been counted.
   */
  #kept: Promise<number> | undefined;

  /**
   * Makes a cache for a storage.
   *
   * @param inner The storage to cache.
   * @param cache The storage that holds the cached copies. It must not be
   *   shared with another inner storage.
   * @param options The function that chooses the objects to cache, and the
   *   maximum size of the cache.
   */
  constructor(inner: Storage, cache: Storage, options: CachedStorageOptions) {
    this.location = inner.location;
    this.#inner = inner;
    this.#cache = cache;
    this.#keeps = options.keeps;
    this.#maxBytes = options.maxBytes ?? GIBIBYTE;
  }

  /** Reads an object; see {@linkcode Storage.get}. */
  async *get(
    name: string,
    options: GetOptions = {},
  ): AsyncGenerator<Uint8Array> {
    const { offset = 0, length, pieces, fresh = false, signal } = options;
    checkName(name);
    checkAborted(signal);
    if (fresh || !this.#keeps(name)) {
      yield* this.#inner.get(name, options);
      return;
    }
    const whole = await this.#find(`whole/${name}`, options);
    if (whole !== undefined) {
      if (whole.length > 0) yield whole;
      return;
    }
    if (pieces !== undefined) {
      yield* this.#getPieces(name, offset, pieces, options);
      return;
    }
    const isWhole = offset === 0 && length === undefined;
    const key = isWhole ? `whole/${name}` : keyOf(name, options);
    const kept = isWhole ? undefined : await this.#find(key);
    if (kept !== undefined) {
      if (kept.length > 0) yield kept;
      return;
    }
    const copy = new Copy();
    for await (const part of this.#inner.get(name, options)) {
      copy.add(part);
      yield part;
    }
    await this.#keep(key, copy.bytes);
  }

  /**
   * Reads consecutive parts of an object. Adjacent parts that are not cached
   * are read from the inner storage as one range.
   */
  async *#getPieces(
    name: string,
    start: number,
    pieces: readonly number[],
    options: GetOptions,
  ): AsyncGenerator<Uint8Array> {
    let offset = start;
    let missing: number[] = [];
    for (const length of pieces) {
      const kept = await this.#find(keyOf(name, { offset, length }));
      if (kept === undefined) missing.push(length);
      else {
        yield* this.#getMissing(name, offset, missing, options);
        missing = [];
        yield kept;
      }
      offset += length;
    }
    yield* this.#getMissing(name, offset, missing, options);
  }

  /** Reads consecutive parts from the inner storage, and caches each one. */
  async *#getMissing(
    name: string,
    end: number,
    pieces: readonly number[],
    options: GetOptions,
  ): AsyncGenerator<Uint8Array> {
    if (pieces.length === 0) return;
    const length = pieces.reduce((sum, piece) => sum + piece, 0);
    let offset = end - length;
    const range = { ...options, offset, length, pieces: undefined };
    const bytes = await collectAtMost(
      this.#inner.get(name, range),
      length,
      name,
    );
    let start = 0;
    for (const length of pieces) {
      const piece = bytes.subarray(start, start += length);
      await this.#keep(keyOf(name, { offset, length }), piece);
      offset += length;
    }
    yield bytes;
  }

  /** Stores an object; see {@linkcode Storage.put}. */
  async put(
    name: string,
    source: ByteSource,
    options?: PutOptions,
  ): Promise<void> {
    if (!this.#keeps(name)) return this.#inner.put(name, source, options);
    const copy = new Copy();
    const copied = async function* () {
      for await (const part of chunks(source)) {
        copy.add(part);
        yield part;
      }
    };
    await this.#inner.put(name, copied(), options);
    await this.#keep(`whole/${name}`, copy.bytes);
  }

  /** Lists the objects under a prefix; see {@linkcode Storage.list}. */
  list(prefix?: string): AsyncIterable<StoredObject> {
    return this.#inner.list(prefix);
  }

  /** Deletes an object; see {@linkcode Storage.delete}. */
  async delete(name: string): Promise<void> {
    await this.#inner.delete(name);
    if (!this.#keeps(name)) return;
    await ignoring(async () => {
      await this.#cache.delete(`whole/${name}`);
      for await (const piece of this.#cache.list(`range/${name}/`)) {
        await this.#cache.delete(piece.name);
      }
    });
  }

  /**
   * Deletes unfinished writes of the inner storage; see {@linkcode
   * Storage.tidy}.
   */
  async tidy(before: number): Promise<void> {
    await this.#inner.tidy?.(before);
  }

  /**
   * Returns whether an untrusted person might have written the objects of the
   * inner storage; see {@linkcode Storage.belongsToOthers}.
   */
  belongsToOthers(): boolean {
    return this.#inner.belongsToOthers?.() ?? false;
  }

  /**
   * Returns cached bytes, or a range of them. Returns `undefined` if the bytes
   * are not cached or do not match their checksum.
   */
  async #find(
    key: string,
    range: GetOptions = {},
  ): Promise<Uint8Array | undefined> {
    return await ignoring(async () => {
      const bytes = await collect(this.#cache.get(key));
      const end = bytes.length - SUM_BYTES;
      const sum = sha256(bytes.subarray(0, Math.max(end, 0)));
      if (end < 0 || toHex(sum) !== toHex(bytes.subarray(end))) {
        await this.#cache.delete(key);
        return undefined;
      }
      // If the range is invalid, `rangeIn` throws an error, which `ignoring`
      // drops. The range is then read from the inner storage, which throws an
      // error, too.
      const found = rangeIn(key, end, range);
      return bytes.subarray(found.start, found.end);
    });
  }

  async #keep(key: string, bytes: Uint8Array | undefined): Promise<void> {
    const most = Math.min(MAX_OBJECT_BYTES, this.#maxBytes / 4);
    if (bytes === undefined || bytes.length > most) return;
    await ignoring(async () => {
      const piece = concat([bytes, sha256(bytes)]);
      await this.#cache.put(key, piece);
      // Several objects can be cached at the same time, so the updates of the
      // total size run one after the other.
      const kept = (this.#kept ?? this.#count()).then((before) => {
        const bytes = before + piece.length;
        return bytes > this.#maxBytes ? this.#makeRoom() : bytes;
      });
      this.#kept = kept;
      kept.catch(() => this.#kept = undefined);
      await kept;
    });
  }

  async #count(): Promise<number> {
    let bytes = 0;
    for await (const { size } of this.#cache.list()) bytes += size;
    return bytes;
  }

  /**
   * Deletes cached objects until a fifth of the cache is free. Returns the
   * total size of the remaining objects in bytes.
   */
  async #makeRoom(): Promise<number> {
    const pieces = await Array.fromAsync(this.#cache.list());
    const age = ({ name }: StoredObject) => name.replace(/^[^/]*\/[^/]*\//, "");
    pieces.sort((a, b) => age(a) < age(b) ? -1 : 1);
    let left = pieces.reduce((sum, { size }) => sum + size, 0);
    for (const { name, size } of pieces) {
      if (left <= this.#maxBytes * 0.8) break;
      await this.#cache.delete(name);
      left -= size;
    }
    return left;
  }
}

/** Returns the name under which a range is cached. */
function keyOf(
  name: string,
  { offset = 0, length, clamp }: GetOptions,
): string {
  return `range/${name}/${offset}+${length}${clamp ? "~" : ""}`;
}

/**
 * A copy of an object's bytes, collected while they are transferred. The copy
 * is dropped if the object is too large to be cached.
 */
class Copy {
  #parts: Uint8Array[] | undefined = [];
  #length = 0;

  add(part: Uint8Array): void {
    this.#length += part.length;
    if (this.#length > MAX_OBJECT_BYTES) this.#parts = undefined;
    this.#parts?.push(part.slice());
  }

  get bytes(): Uint8Array | undefined {
    return this.#parts && concat(this.#parts);
  }
}

/**
 * Returns the result of a function that uses the cache; `undefined` if the
 * function throws an error. The error is ignored, because the inner storage
 * works without a cache.
 */
async function ignoring<Result>(
  work: () => Promise<Result>,
): Promise<Result | undefined> {
  try {
    return await work();
  } catch {
    return undefined;
  }
}
