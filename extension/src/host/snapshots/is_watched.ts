import { sep } from "node:path";
import { canonical, isTooMuch } from "../../../../shared/too_much.ts";
import type { FolderConfig } from "../../shared/protocol.ts";

/** Matches a folder of version control, such as `.git`, and paths inside it. */
const VERSION_CONTROL = /[\\/]\.(?:git|hg|svn)(?:[\\/]|$)/;

/**
 * Returns whether a change to a file or folder can lead to a snapshot.
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

/**
 * Returns the paths of the folders in which changes do not lead to snapshots:
 * the repository and the cache of a workspace folder, and the extension's own
 * folders.
 */
export function ignoredFolders(
  { repository, cache, ownFolders = [] }: Pick<
    FolderConfig,
    "repository" | "cache" | "ownFolders"
  >,
): string[] {
  return [repository, cache, ...ownFolders];
}

/** Returns whether a path is that of a folder or of something inside it. */
function isInside(path: string, folder: string): boolean {
  return path === folder || path.startsWith(`${folder}${sep}`);
}
