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
  const rules = ignore({ ignorecase: false }).add({ pattern });
  return (path, isDirectory) => {
    const { ignored } = rules.test(isDirectory ? `${path}/` : path);
    if (!ignored) return false;
    const slash = path.lastIndexOf("/");
    return slash < 0 || !rules.ignores(path.slice(0, slash + 1));
  };
}
