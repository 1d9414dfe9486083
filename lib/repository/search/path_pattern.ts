import { nameOf } from "../../tree/path.ts";
import { matcherOf } from "../../tree/pattern.ts";

/**
 * The number of paths after which a matcher is replaced. Each matcher caches
 * its results, so replacing the matcher limits the memory use.
 */
const PATHS_PER_MATCHER = 4096;

/** A pattern that matches paths. */
export interface PathPattern {
  /**
   * Returns whether a path matches. If `onlyFolders` is `true`, the caller must
   * check that the path leads to a directory.
   */
  matches: (path: string) => boolean;
  /** Whether only directories match. */
  onlyFolders: boolean;
}

/**
 * Parses a pattern in gitignore's syntax. Unlike in gitignore, a folder that
 * matches does not make the paths in it match.
 *
 * @param text The pattern. If it has a slash before its end, it is compared
 * with whole paths, and otherwise with the names of files and folders.
 * @param ignoreCase Whether to ignore the case of letters.
 */
export function pathPattern(text: string, ignoreCase = false): PathPattern {
  const folded = (text: string) => ignoreCase ? text.toLowerCase() : text;
  // In gitignore's syntax, `!` and `#` have a special meaning at the start of a
  // pattern. This meaning is of no use in a single pattern, so the characters
  // are escaped.
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
