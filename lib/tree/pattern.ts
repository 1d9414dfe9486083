import ignore from "ignore";

/**
 * Returns a function that tells whether a path itself, not a folder above it,
 * matches a pattern in gitignore's syntax.
 *
 * @param pattern The pattern.
 */
export function matcherOf(
  pattern: string,
): (path: string, isDirectory: boolean) => boolean {
  const bare = pattern.replace(/(?<=.)\/$/, "");
  const onlyFolders = bare !== pattern;
  // Folders are included again, so that none excludes its content. A folder
  // itself is tested without its trailing slash.
  const rules = ignore({ ignorecase: false })
    .add([{ pattern: bare }, { pattern: "!*/" }]);
  return (path, isDirectory) =>
    (isDirectory || !onlyFolders) && rules.test(path).ignored;
}
