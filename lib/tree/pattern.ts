import ignore from "ignore";

/**
 * Whether paths match one pattern in gitignore's syntax, themselves and not
 * by a folder above them.
 *
 * @param pattern The pattern.
 */
export function matcherOf(
  pattern: string,
): (path: string, isDirectory: boolean) => boolean {
  const bare = pattern.replace(/(?<=.)\/$/, "");
  const onlyFolders = bare !== pattern;
  // Folders are taken back, so that none rules over what is in it; to ask for
  // one itself its path goes without the slash.
  const rules = ignore({ ignorecase: false })
    .add([{ pattern: bare }, { pattern: "!*/" }]);
  return (path, isDirectory) =>
    (isDirectory || !onlyFolders) && rules.test(path).ignored;
}
