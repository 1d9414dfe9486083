import { sep } from "node:path";
import { canonical, isTooMuch } from "../../../../shared/too_much.ts";
import type { FolderConfig } from "../../shared/protocol.ts";

/** Matches a path in a folder of version control, such as `.git/index`. */
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
    !ignored.some((folder) => isInside(path, folder));
}

/**
 * Returns whether changes in a folder lead to snapshots. The result is `false`
 * for a home folder, a whole disk or a folder that contains the data of VS
 * Code, because programs change files there all the time.
 */
export function mayWatch(
  { directory, ownFolders = [] }: Pick<
    FolderConfig,
    "directory" | "ownFolders"
  >,
): boolean {
  if (isTooMuch(directory) !== undefined) return false;
  const place = canonical(directory);
  return !ownFolders.some((own) => isInside(canonical(own), place));
}

/** Returns the folders in which changes lead to no snapshot. */
export function ignoredFolders(
  { repository, cache, ownFolders = [] }: Pick<
    FolderConfig,
    "repository" | "cache" | "ownFolders"
  >,
): string[] {
  return [repository, cache, ...ownFolders];
}

/** Returns whether a path is the path of a folder or is below the folder. */
function isInside(path: string, folder: string): boolean {
  return path === folder || path.startsWith(`${folder}${sep}`);
}
