import { encodeName } from "../lib/tree/mod.ts";

/** The C escapes that git uses in quoted names, by character code. */
const ESCAPES: Readonly<Record<number, string>> = {
  0x07: "\\a",
  0x08: "\\b",
  0x09: "\\t",
  0x0a: "\\n",
  0x0b: "\\v",
  0x0c: "\\f",
  0x0d: "\\r",
  0x22: '\\"',
  0x5c: "\\\\",
};

/**
 * Returns a path as git writes it in a patch. A path with control characters,
 * double quotes, backslashes or bytes beyond ASCII is quoted as in C, with
 * octal escapes. The result has only printable ASCII characters.
 *
 * @param path A path of a tree, with its prefix `a/` or `b/` if there is one.
 */
export function gitName(path: string): string {
  const quoted = Array.from(
    encodeName(path),
    (byte) =>
      ESCAPES[byte] ??
        (byte >= 0x20 && byte < 0x7f
          ? String.fromCharCode(byte)
          : `\\${byte.toString(8).padStart(3, "0")}`),
  ).join("");
  return quoted === path ? path : `"${quoted}"`;
}

/**
 * Returns a path for a `---` or `+++` line. A tab follows a path with spaces,
 * so that `patch` reads the whole path.
 */
export function gitFileName(path: string): string {
  const name = gitName(path);
  return name.includes(" ") ? `${name}\t` : name;
}

/**
 * Returns a path for a `diff --git` line. A path with spaces is quoted, so that
 * `patch` reads the whole path. git itself does not quote such a path, but
 * accepts the quotes.
 */
export function gitPairName(path: string): string {
  const name = gitName(path);
  return name === path && name.includes(" ") ? `"${name}"` : name;
}
