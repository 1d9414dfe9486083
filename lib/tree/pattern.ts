import ignore from "ignore";

/**
 * Returns a function that tests whether a path itself, and not only a folder
 * above it, matches a pattern in gitignore's syntax.
 *
 * @param pattern The pattern, such as `*.md`.
 * @returns The function. It is called with a path below the root, and with
 * whether the path is a directory.
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
  // The content of an excluded folder would match too, so the second pattern
  // includes all folders again. The path of a tested folder has no trailing
  // slash, so the second pattern does not apply to this path.
  const rules = ignore({ ignorecase: false })
    .add([{ pattern: bare }, { pattern: "!*/" }]);
  return (path, isDirectory) =>
    (isDirectory || !onlyFolders) && rules.test(path).ignored;
}
