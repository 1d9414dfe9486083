import { isAbsolute, posix } from "node:path";
import process from "node:process";
import type { Skipped } from "../mod.ts";
import { matcherOf, truePlace } from "../lib/tree/mod.ts";

/**
 * Returns the gitignore pattern for a pattern that the user typed. An absolute
 * path below the directory, and a path that begins with `./`, are anchored to
 * the directory. On Windows, a backslash separates names.
 *
 * @param text The pattern as typed.
 * @param directory The directory that the pattern is for.
 */
export function toPattern(text: string, directory: string): string {
  const isWindows = process.platform === "win32";
  const slashed = (path: string) =>
    isWindows ? path.replaceAll("\\", "/") : path;
  const sign = text.startsWith("!") ? "!" : "";
  const typed = slashed(text).slice(sign.length);
  const body = isAbsolute(typed) ? withoutDots(typed) : typed;
  const same = (path: string) => isWindows ? path.toLowerCase() : path;
  for (const place of [directory, truePlace(directory)].map(slashed)) {
    const start = `${place.replace(/\/$/, "")}/`;
    if (start !== "/" && same(body).startsWith(same(start))) {
      return `${sign}/${body.slice(start.length)}`;
    }
  }
  return sign + body.replace(/^(?:\.\/+)+/, "/");
}

/**
 * Normalizes an absolute path if `.`, `..` or an empty name comes before its
 * last name. Returns other paths unchanged.
 */
function withoutDots(path: string): string {
  return /\/\.{0,2}\//.test(path) ? posix.normalize(path) : path;
}

/**
 * Returns the patterns that exclude nothing. A pattern that matches an excluded
 * path, or is a path inside an excluded path, is not returned, even if another
 * rule excluded that path. Patterns that begin with `!` are not returned,
 * either.
 *
 * @param patterns Patterns in gitignore's syntax.
 * @param skipped The excluded and skipped paths.
 */
export function unmatched(
  patterns: readonly string[],
  skipped: readonly Skipped[],
): string[] {
  const excluded = skipped.filter(({ reason }) => reason === "excluded");
  const details = new Set(excluded.map(({ detail }) => detail));
  return patterns.filter((pattern) => {
    if (pattern.startsWith("!") || details.has(`exclude: ${pattern}`)) {
      return false;
    }
    const matches = matcherOf(pattern);
    const inside = pattern.replace(/^\//, "");
    return !excluded.some(({ path }) =>
      matches(path, true) || inside.startsWith(`${path}/`)
    );
  });
}
