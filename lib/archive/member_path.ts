import { DeltarError } from "../bytes/errors.ts";
import { checkPath } from "../tree/path.ts";

/**
 * Returns a member's name as a path inside a tree, without `./` or doubled
 * slashes.
 *
 * @param name The name, from an archive.
 * @param object The name of the archive, for the message.
 * @returns The path. `""` is the root of the tree.
 * @throws {DeltarError} `unsafe` if the name is absolute, contains `..` or a
 *   NUL, is too long or has too many segments.
 */
export function memberPath(name: string, object?: string): string {
  if (name.startsWith("/")) {
    const shown = JSON.stringify(name.slice(0, 200));
    throw new DeltarError("unsafe", `a member has an absolute path: ${shown}`, {
      object,
    });
  }
  const path = name.includes("./") || name.includes("//") || name.endsWith(".")
    ? name.split("/").filter((part) => part !== "" && part !== ".").join("/")
    : name;
  if (path !== "") checkPath(path, object);
  return path;
}
