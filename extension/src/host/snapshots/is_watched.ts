import { sep } from "node:path";

/** A path in a folder of version control, such as `.git/index`. */
const VERSION_CONTROL = /[\\/]\.(?:git|hg|svn)(?:[\\/]|$)/;

/**
 * Returns whether a change of a path can lead to a snapshot.
 *
 * @param path The path of the file or folder.
 * @param root The path of the workspace folder.
 * @param ignored The paths of the folders in which changes are ignored.
 */
export function isWatched(
  path: string,
  root: string,
  ignored: readonly string[],
): boolean {
  return !VERSION_CONTROL.test(path.slice(root.length)) &&
    !ignored.some((folder) =>
      path === folder || path.startsWith(`${folder}${sep}`)
    );
}
