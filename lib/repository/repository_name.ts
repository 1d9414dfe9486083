import { toHex } from "../bytes/hex.ts";
import { sha256 } from "../bytes/sha256.ts";

/**
 * The maximum length of the readable part of a name, in bytes. With a `-` and
 * the checksum, a name has at most 255 bytes.
 */
const MAX_NAME_BYTES = 246;

/**
 * Returns a name for the repository of a directory. The name consists of the
 * name of the directory, which people recognize, and the first 8 hexadecimal
 * digits of the SHA-256 of the directory's path. Directories with the same name
 * in different folders therefore get different names. If the name of the
 * directory is too long for a file system, its end is cut off.
 *
 * @param directory The directory's absolute path. Different spellings of a path
 * give different names.
 * @returns A name of ASCII letters, digits, `_`, `.` and `-`. Other characters
 * of the directory's name are replaced by `_`.
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
