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
 * Returns a read-only storage that makes no network requests. For a folder, the
 * storage reads the folder. For a URL, it reads the cache of the remote
 * storage.
 *
 * @throws {TypeError} If the location is not valid.
 * @throws {DeltarError} `not-found` if the location is on S3 and the
 * environment has no credentials.
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
 * Returns a storage that takes the place of the remote storage behind a cache.
 * No object can be read from it. It lists the objects that the cache holds
 * completely.
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
  return new DeltarError(
    "io",
    "cannot be changed: the repository was opened for reading only",
    { object },
  );
}
