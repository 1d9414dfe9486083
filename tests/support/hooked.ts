import type { Storage } from "../../lib/storage/storage.ts";

/** Functions that are called before or after changes of a storage. */
export interface Hooks {
  /** Called with the name of an object before the object is stored. */
  beforePut?: (name: string) => Promise<void>;
  /** Called with the name of an object after the object was stored. */
  afterPut?: (name: string) => Promise<void>;
  /** Called with the name of an object before the object is deleted. */
  beforeDelete?: (name: string) => Promise<void>;
  /** Called with the name of an object after the object was deleted. */
  afterDelete?: (name: string) => Promise<void>;
}

/** Returns a storage that calls hooks, and stores everything in another one. */
export function hooked(
  storage: Storage,
  { beforePut, afterPut, beforeDelete, afterDelete }: Hooks,
): Storage {
  return {
    location: storage.location,
    get: (name, options) => storage.get(name, options),
    list: (prefix) => storage.list(prefix),
    put: async (name, source, options) => {
      await beforePut?.(name);
      await storage.put(name, source, options);
      await afterPut?.(name);
    },
    delete: async (name) => {
      await beforeDelete?.(name);
      await storage.delete(name);
      await afterDelete?.(name);
    },
  };
}
