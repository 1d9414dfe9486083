import { toHex } from "../bytes/hex.ts";
import { sha256 } from "../bytes/sha256.ts";

/**
 * The maximum length of the readable part of a name, in bytes. With a `-` and
 * the checksum, a name has at most 255 bytes.
 */
const MAX_NAME_BYTES = 246;

/**
 * Returns a name for the repository of a directory among the repositories of
 * other directories. It consists of the directory's name, so that people
 * recognize it, and the start of the SHA-256 of its path, so that directories
 * with the same name in different folders get different names. A directory's
 * name that is too long for a file system is cut at its end.
 *
 * @param directory The directory's absolute path. Each spelling of the path has
 * a name of its own.
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
  const plain = name.replaceAll(/[^\w.-]/g, "_").slice(0, MAX_NAME_BYTES);
  return `${plain || "root"}-${sum}`;
}
