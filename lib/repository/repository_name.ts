import { toHex } from "../bytes/hex.ts";
import { sha256 } from "../bytes/sha256.ts";

/** As much of a name as leaves room for the sum in 255 bytes. */
const LONGEST = 246;

/**
 * A name for the repository of a directory, beside those of others: what the
 * directory is called, for people, and the start of the SHA-256 of its path, so
 * that no two have the same. A name that is too long for a file system loses
 * its end.
 *
 * @param directory Its absolute path. Two spellings of a path have two names.
 * @returns A name of letters, digits, `_`, `.` and `-`.
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { repositoryName } from "@deltar/deltar/repository";
 *
 * assert.equal(repositoryName("/home/ada/my notes"), "my_notes-ad23b8c9");
 * assert.equal(repositoryName("/"), "root-8a5edab2");
 * ```
 */
export function repositoryName(directory: string): string {
  const [ends, above] = directory.startsWith("/")
    ? [/\/*$/, /^.*\//s]
    : [/[\\/]*$/, /^.*[\\/:]/s];
  const name = directory.replace(ends, "").replace(above, "");
  const sum = toHex(sha256(new TextEncoder().encode(directory))).slice(0, 8);
  const plain = name.replaceAll(/[^\w.-]/g, "_").slice(0, LONGEST);
  return `${plain || "root"}-${sum}`;
}
