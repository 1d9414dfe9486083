import { join } from "node:path";
import process from "node:process";
import {
  DeltarError,
  LocalStorage,
  openStorage,
  type Storage,
  withCache,
} from "../mod.ts";
import { cacheFolder, isFolder, placeSum } from "./location.ts";

/**
 * Returns a read-only storage that makes no network requests: a local storage
 * itself, or the cache of a remote one.
 *
 * @throws {TypeError} If the location is not valid.
 */
export function nearbyStorage(location: string): Storage {
  if (isFolder(location)) return readOnly(new LocalStorage(location));
  const far = openStorage(location, process.env).location;
  const folder = join(cacheFolder(), "objects", placeSum(far));
  const cache = readOnly(new LocalStorage(folder));
  return withCache(nothing(far, cache), cache);
}

/** Returns a read-only view of a storage. */
function readOnly(storage: Storage): Storage {
  return {
    location: storage.location,
    get: (name, options) => storage.get(name, options),
    list: (prefix) => storage.list(prefix),
    put: (name) => Promise.reject(refusal(name)),
    delete: (name) => Promise.reject(refusal(name)),
    belongsToOthers: storage.belongsToOthers?.bind(storage),
  };
}

/**
 * Returns a storage from which no object can be read. It lists the objects that
 * the cache holds completely.
 */
function nothing(location: string, cache: Storage): Storage {
  const absent = (object: string) =>
    new DeltarError("not-found", "not in the cache", { object });
  return {
    location,
    get(name) {
      throw absent(name);
    },
    async *list(prefix = "") {
      const folder = "whole/";
      for await (const { name, size } of cache.list(folder + prefix)) {
        yield { name: name.slice(folder.length), size };
      }
    },
    put: (name) => Promise.reject(refusal(name)),
    delete: (name) => Promise.reject(refusal(name)),
  };
}

function refusal(object: string): DeltarError {
  return new DeltarError("io", "opened for reading only", { object });
}
