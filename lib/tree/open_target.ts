import { codeOf } from "../bytes/errors.ts";
import { fs, nodePath } from "../bytes/node.ts";
import { truePlace } from "./place.ts";
import type { Folder } from "./folder.ts";
import { folderAccess, openFolder } from "./open_folder.ts";

/** A directory that is open for writing. */
export interface OpenTarget {
  /** The directory. */
  folder: Folder;
  /** The absolute path, without symlinks. */
  place: string;
  /**
   * The mode that the umask gives a directory that `openTarget` created;
   * `undefined` if `openTarget` did not create the directory. Other users have
   * no access to a new directory until the caller sets this mode.
   */
  newMode: number | undefined;
}

/**
 * Opens a directory for writing. If the directory does not exist, it is created
 * together with the folders above it. If folders can be reached by descriptors,
 * each folder is opened from the folder above it, so a symlink that another
 * process creates during the call is not followed.
 *
 * @param root The path, in the syntax of the operating system. Symlinks that
 * are on the path at the time of the call are followed.
 * @throws The error of the system, with its `code`, if the directory cannot be
 * created or opened.
 */
export function openTarget(root: string): OpenTarget {
  const place = truePlace(root);
  if (folderAccess() === "paths") return openByPath(place);
  const [, first, ...names] = place.split("/");
  // Other users cannot create symlinks in `/`, so a folder in `/` can be opened
  // by its path.
  const top = openFolder(fs.existsSync(`/${first}`) ? `/${first}` : "/");
  if (top.place === "/" && first !== "") names.unshift(first);
  let folder = top;
  let newMode: number | undefined;
  for (const [at, name] of names.entries()) {
    const above = folder;
    try {
      newMode = undefined;
      if (above.statAt(name) !== undefined) folder = above.openFolder(name);
      else if (at < names.length - 1) {
        makeFolder(above, name);
        folder = above.openFolder(name);
      } else ({ folder, newMode } = openNew(above, name));
    } finally {
      above.close();
    }
  }
  return { folder, place, newMode };
}

function openByPath(place: string): OpenTarget {
  if (fs.existsSync(place)) {
    return { folder: openFolder(place), place, newMode: undefined };
  }
  const parent = nodePath.dirname(place);
  fs.mkdirSync(parent, { recursive: true });
  const above = openFolder(parent);
  try {
    return { ...openNew(above, nodePath.basename(place)), place };
  } finally {
    above.close();
  }
}

/**
 * Creates a folder to which other users have no access, and opens it. If
 * another process creates the folder first, that folder is opened unchanged.
 *
 * @param above The open folder in which the new folder is created.
 * @param name The name of the folder.
 * @returns The folder, and the mode that it has according to the umask. The
 * mode is `undefined` if another process created the folder.
 */
export function openNew(
  above: Folder,
  name: string,
): { folder: Folder; newMode: number | undefined } {
  const isNew = makeFolder(above, name);
  const folder = above.openFolder(name);
  if (!isNew) return { folder, newMode: undefined };
  try {
    const { mode } = folder.stat();
    closeToOthers(folder, mode);
    return { folder, newMode: mode };
  } catch (error) {
    folder.close();
    throw error;
  }
}

/**
 * Denies other users access to a new folder until its final mode is set. On a
 * file system that refuses to change modes, such as exFAT, the mode is not
 * changed.
 *
 * @param folder The folder.
 * @param mode The mode that the umask gave the folder.
 */
export function closeToOthers(folder: Folder, mode: number): void {
  try {
    folder.setOwnMode(mode & ~0o077);
  } catch (error) {
    if (!HAS_NO_MODES.has(codeOf(error) ?? "")) throw error;
  }
}

/** The error codes with which file systems refuse to change modes. */
const HAS_NO_MODES: ReadonlySet<string> = new Set([
  "EPERM",
  "ENOTSUP",
  "EOPNOTSUPP",
]);

/** Creates a folder if it does not exist. Returns whether it was created. */
function makeFolder(above: Folder, name: string): boolean {
  try {
    above.makeFolder(name, 0o777);
    return true;
  } catch (error) {
    if (codeOf(error) !== "EEXIST") throw error;
    return false;
  }
}
