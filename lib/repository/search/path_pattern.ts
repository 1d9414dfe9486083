import { nameOf } from "../../tree/path.ts";
import { matcherOf } from "../../tree/pattern.ts";

/**
 * The number of paths after which a matcher is replaced, because it caches the
 * result for each path.
 */
const PATHS_PER_MATCHER = 4096;

/** A pattern with which paths are compared. */
export interface PathPattern {
  /** Returns whether a path matches, if it is of a directory. */
  matches: (path: string) => boolean;
  /** Whether only directories match. */
  onlyFolders: boolean;
}

/**
 * Makes a pattern in gitignore's syntax, which matches the paths themselves and
 * not what is in them.
 *
 * @param text The pattern. Without a slash, it is compared with the name of
 * each path, and otherwise with the whole path.
 * @param ignoreCase Whether upper case and lower case count as equal.
 */
export function pathPattern(text: string, ignoreCase = false): PathPattern {
  const folded = (text: string) => ignoreCase ? text.toLowerCase() : text;
  // At the start of a pattern, these characters have a meaning in gitignore's
  // syntax only because it is for lists of patterns.
  const body = folded(text).replace(/^[!#]/, "\\$&");
  const isName = !body.slice(0, -1).includes("/");
  let matcher = matcherOf(body);
  let left = PATHS_PER_MATCHER;
  return {
    matches(path) {
      if (left-- === 0) {
        matcher = matcherOf(body);
        left = PATHS_PER_MATCHER;
      }
      return matcher(folded(isName ? nameOf(path) : path), true);
    },
    onlyFolders: body.endsWith("/"),
  };
}
