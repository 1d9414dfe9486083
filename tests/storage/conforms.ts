import { test } from "node:test";
import { STORAGE_CHECKS } from "../../lib/storage/conformance.ts";
import { needsPosix } from "../support/system.ts";
import type { Storage } from "../../lib/storage/storage.ts";

/** Returns the bytes 0, 1, 2 and so on. */
export function count(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, at) => at);
}

/** Tests a storage with the checks of the conformance suite. */
export function conforms(
  what: string,
  withStorage: (work: (storage: Storage) => Promise<void>) => Promise<void>,
  options: { skip?: string; timeout?: number } = {},
): void {
  for (const { name, run } of STORAGE_CHECKS) {
    const needed = name.startsWith("valid names") && /local|folder/.test(what)
      ? needsPosix("names with a question mark")
      : {};
    test(`${what}: ${name}`, { ...options, ...needed }, () => withStorage(run));
  }
}
