import { nodePath } from "../bytes/node.ts";
import { endsAll } from "./file.ts";
import type { Folder } from "./folder.ts";
import { openFolder } from "./open_folder.ts";
import { OpenFolders } from "./open_folders.ts";

/**
 * Deletes an entry of a folder and everything in it. No symlink is followed. A
 * missing entry is not an error.
 *
 * @param folder The folder that contains the entry.
 * @param name The name of the entry.
 * @throws The error of the system, with its `code`, if a deletion fails.
 */
export function removeTree(folder: Folder, name: string): void {
  const stat = folder.statAt(name);
  if (stat === undefined) return;
  if (stat.kind !== "directory") return folder.unlink(name);
  if ((stat.mode & 0o700) !== 0o700) openUp(folder, name);
  const tree = new OpenFolders(folder.openFolder(name));
  try {
    empty(tree, "");
  } finally {
    tree.close();
  }
  folder.removeFolder(name);
}

/**
 * Deletes a folder if it is empty. An error that affects only this folder is
 * ignored.
 *
 * @param place The folder's path, without symlinks.
 * @throws The error of the system, if it affects every path; see `endsAll`.
 */
export function removeEmptyFolder(place: string): void {
  let above: Folder | undefined;
  try {
    above = openFolder(nodePath.dirname(place));
    above.removeFolder(nodePath.basename(place));
  } catch (error) {
    if (endsAll(error)) throw error;
  } finally {
    above?.close();
  }
}

function empty(tree: OpenFolders, path: string): void {
  for (const name of tree.at(path).names()) {
    const folder = tree.at(path);
    const stat = folder.statAt(name);
    if (stat === undefined) continue;
    if (stat.kind !== "directory") {
      folder.unlink(name);
      continue;
    }
    if ((stat.mode & 0o700) !== 0o700) openUp(folder, name);
    const below = path === "" ? name : `${path}/${name}`;
    empty(tree, below);
    tree.forget(below);
    tree.at(path).removeFolder(name);
  }
}

/**
 * Gives the owner all permissions for a folder, and other users none. An error
 * that affects only this folder is ignored.
 */
function openUp(folder: Folder, name: string): void {
  try {
    folder.setMode(name, 0o700);
  } catch (error) {
    if (endsAll(error)) throw error;
  }
}
