import { temporaryName } from "../storage/temporary.ts";
import { fileError } from "./file.ts";
import type { Folder } from "./folder.ts";
import { openTarget } from "./open_target.ts";
import { removeTree } from "./remove_tree.ts";

/**
 * Runs `work` with a new, empty folder inside a directory, so that the results
 * can be renamed into place. The folder is deleted afterwards. If a crash
 * leaves the folder behind, walks exclude it. If this process is permitted to
 * set the modification time of the directory, creating and deleting the folder
 * does not change this time.
 *
 * @param root The path, in the syntax of the operating system. The directory is
 * created if it does not exist.
 * @param work Called with the folder's path.
 * @throws {DeltarError} `io` if the folder cannot be created.
 * @throws The errors of `work`, and of the system if the folder cannot be
 * deleted.
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

/** Restores a folder's modification time, if this process is permitted to. */
function keepTime(folder: Folder, mtime: bigint): void {
  try {
    folder.setOwnTimes(mtime);
  } catch {
    // If the folder belongs to another user, its time cannot be restored.
  }
}
