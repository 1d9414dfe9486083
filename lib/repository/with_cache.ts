import { CachedStorage } from "../storage/cached.ts";
import type { Storage } from "../storage/storage.ts";
import { idOfRecord } from "./format/names.ts";

/**
 * A repository's storage with a cache before it, for one that is far away:
 * what was written or read once of records, trees and signatures is not asked
 * for again. It can be lost at any time; see {@linkcode CachedStorage}.
 *
 * @param storage Where the repository is.
 * @param cache Where to keep things, a place for this repository alone; what
 * is in it is as secret as the names of the files.
 * @param maxBytes How many bytes to keep at most. Default: 1 GiB.
 */
export function withCache(
  storage: Storage,
  cache: Storage,
  maxBytes?: number,
): Storage {
  const keeps = (name: string) =>
    /^(?:trees|signatures)\//.test(name) || idOfRecord(name) !== undefined;
  return new CachedStorage(storage, cache, { keeps, maxBytes });
}
