import { toHex } from "../bytes/hex.ts";
import { sha256 } from "../bytes/sha256.ts";
import { encodeName } from "../tree/raw_name.ts";

/**
 * The naming scheme for the members of a data archive. Each name below
 * `created/` or `updated/` is the SHA-256 of the path in hexadecimal (`hash`),
 * or the path itself (`path`).
 */
export type MemberNames = "hash" | "path";

/** The folder in a data archive for each form of content. */
export const FOLDERS = { whole: "created", delta: "updated" } as const;

/**
 * Returns the name of the member that holds a file's content.
 *
 * @param path The path of the file.
 * @param form Whether the content is stored whole or as a delta.
 * @param names Whether the member is named by the SHA-256 of `path`, or by
 *   `path` itself.
 */
export function memberName(
  path: string,
  form: keyof typeof FOLDERS,
  names: MemberNames,
): string {
  const name = names === "path" ? path : toHex(sha256(encodeName(path)));
  return `${FOLDERS[form]}/${name}`;
}
