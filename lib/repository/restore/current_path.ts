import { parentPath } from "../../tree/path.ts";
import type { RestoreStep } from "./plan.ts";

/**
 * Returns a function that takes the path that an entry has after the plan is
 * carried out, and returns the path that the entry had before. The two paths
 * differ if a step changes the spelling of the entry's name, or of a folder
 * above it.
 *
 * @param steps The steps of the plan.
 */
export function currentPathsOf(
  steps: readonly RestoreStep[],
): (path: string) => string {
  const names = new Map<string, string>();
  for (const { path, from } of steps) {
    if (from !== undefined) {
      names.set(path, from.slice(from.lastIndexOf("/") + 1));
    }
  }
  if (names.size === 0) return (path) => path;
  const current = (path: string): string => {
    if (path === "") return "";
    const above = current(parentPath(path));
    const name = names.get(path) ?? path.slice(path.lastIndexOf("/") + 1);
    return above === "" ? name : `${above}/${name}`;
  };
  return current;
}
