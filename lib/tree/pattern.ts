import ignore from "ignore";

/**
 * Returns a function that tests whether a path matches a pattern in gitignore's
 * syntax. A path does not match merely because a folder above it matches.
 *
 * @param pattern The pattern, such as `*.md`.
 * @returns The function. It takes a path below the root, and whether the entry
 * at this path is a folder.
 *
 * @example
 * ```ts
 * import { matcherOf } from "@deltar/deltar/tree";
 * import assert from "node:assert/strict";
 *
 * const matches = matcherOf("*.md");
 * assert.equal(matches("docs/notes.md", false), true);
 * assert.equal(matches("notes.txt", false), false);
 * ```
 */
export function matcherOf(
  pattern: string,
): (path: string, isDirectory: boolean) => boolean {
  const bare = pattern.replace(/(?<=.)\/$/, "");
  const onlyFolders = bare !== pattern;
  // The `ignore` package also ignores everything in an ignored folder. It tests
  // the folders above a path with a trailing slash, so the pattern `!*/`
  // includes these folders again. The path itself has no trailing slash, so
  // `!*/` does not apply to it.
  const rules = ignore({ ignorecase: false })
    .add([{ pattern: bare }, { pattern: "!*/" }]);
  return (path, isDirectory) =>
    (isDirectory || !onlyFolders) && rules.test(path).ignored;
}
