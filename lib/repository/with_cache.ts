import { CachedStorage } from "../storage/cached.ts";
import { withoutAge } from "../storage/names.ts";
import type { Storage } from "../storage/storage.ts";
import { idOfRecord } from "./format/names.ts";

/**
 * Adds a cache to a repository's storage, which helps if requests to the
 * storage are slow. The cache keeps records, layers and signatures that were
 * read or written, up to its maximum size. The cache can be deleted at any
 * time. See {@linkcode CachedStorage}.
 *
 * @param storage The repository's storage.
 * @param cache The storage for the cache, which only this repository may use.
 * If the repository is not encrypted, anyone who can read the cache can read
 * the names of files.
 * @param maxBytes The maximum size of the cache in bytes. Default: 1 GiB.
 * @returns The storage with the cache, to pass to `Repository.open`.
 *
 * @example
 * ```ts
 * import { MemoryStorage, Repository } from "@deltar/deltar";
 * import { withCache } from "@deltar/deltar/repository";
 * import assert from "node:assert/strict";
 *
 * const [storage, cache] = [new MemoryStorage(), new MemoryStorage()];
 * const { id } = await Repository.create(storage);
 * const repository = await Repository.open(withCache(storage, cache));
 * assert.equal(repository.id, id);
 * ```
 */
export function withCache(
  storage: Storage,
  cache: Storage,
  maxBytes?: number,
): Storage {
  const keeps = (name: string) =>
    /^(?:trees|signatures)\//.test(name) ||
    idOfRecord(withoutAge(name)) !== undefined;
  return new CachedStorage(storage, cache, { keeps, maxBytes });
}
