import { toHex } from "../bytes/hex.ts";
import { sha256 } from "../bytes/sha256.ts";

/**
 * The naming of the members of a data archive below `created/` and `updated/`: by the SHA-256 of the path in hexadecimal, or by the path itself.
 */
export type MemberNames = "hash" | "path";

/** The folder of each form in a data archive. */
export const FOLDERS = { whole: "created", delta: "updated" } as const;

/**
 * The name of the member that holds a file's content.
 *
 * @param path The file's path.
 * @param form Whether it is stored whole or as a delta.
 * @param names How members are named.
 */
export function memberName(
  path: string,
  form: keyof typeof FOLDERS,
  names: MemberNames,
): string {
  const name = names === "path"
    ? path
    : toHex(sha256(new TextEncoder().encode(path)));
  return `${FOLDERS[form]}/${name}`;
}
