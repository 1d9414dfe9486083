import { LocalStorage } from "./local.ts";
import type { Storage } from "./storage.ts";

/**
 * Returns whether a storage's contents were written by somebody that this user
 * has no reason to trust. That is so for a folder of another user that is not
 * root, and for HTTP, because deltar cannot have written there.
 *
 * @param storage The storage, possibly behind a cache.
 */
export function belongsToOthers(storage: Storage): boolean {
  if (/^https?:\/\//.test(storage.location)) return true;
  return storage instanceof LocalStorage && storage.belongsToOthers();
}
