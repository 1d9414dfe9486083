import { LocalStorage } from "./local.ts";
import type { Storage } from "./storage.ts";

/**
 * Returns whether what a storage has was written by somebody that this user has no
 * reason to believe: a folder of another user of this machine that is not root,
 * or what is read over HTTP, which cannot be written that way.
 *
 * @param storage The storage, maybe behind a cache.
 */
export function belongsToOthers(storage: Storage): boolean {
  if (/^https?:\/\//.test(storage.location)) return true;
  return storage instanceof LocalStorage && storage.belongsToOthers();
}
