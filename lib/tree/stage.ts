import { temporaryName } from "../storage/temporary.ts";
import { fileError } from "./file.ts";
import type { Folder } from "./folder.ts";
import { openTarget } from "./open_target.ts";
import { removeTree } from "./remove_tree.ts";

/**
 * Runs `work` with a new, empty folder inside a directory, so that the results
 * can be renamed into place. The folder is deleted afterwards. A folder that a
 * crash left behind is never part of a tree. The directory's time does not
 * change.
 *
 * @param root The directory, a path of the operating system.
 * @param work Called with the folder's path.
 */
export async function withStage<Result>(
  root: string,
  work: (stage: string) => Promise<Result>,
): Promise<Result> {
  const name = temporaryName(crypto.randomUUID().slice(0, 8));
  let folder: Folder;
  let place: string;
  try {
    ({ folder, place } = openTarget(root));
  } catch (error) {
    throw fileError(error, root);
  }
  try {
    const { mtime } = folder.stat();
    try {
      folder.makeFolder(name, 0o700);
      keepTime(folder, mtime);
    } catch (error) {
      throw fileError(error, root);
    }
    try {
      return await work(`${place}/${name}`);
    } finally {
      const { mtime } = folder.stat();
      removeTree(folder, name);
      keepTime(folder, mtime);
    }
  } finally {
    folder.close();
  }
}

/** Sets a folder's time back, if this process owns it. */
function keepTime(folder: Folder, mtime: bigint): void {
  try {
    folder.setOwnTimes(mtime);
  } catch {
    // The time of another user's folder shows that something was done in it.
  }
}
