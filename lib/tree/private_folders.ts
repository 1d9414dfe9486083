import { temporaryName } from "../storage/temporary.ts";
import type { Folder } from "./folder.ts";
import type { OpenFolders } from "./open_folders.ts";
import type { FileStat } from "./stat.ts";
import { systemError } from "./system_error.ts";

/**
 * A folder that other users cannot enter, with its name and the path of the
 * folder above it.
 */
interface PrivateFolder {
  folder: Folder;
  above: string;
  name: string;
}

/**
 * Folders that other users cannot enter, one for each file system of a tree.
 * Symlinks, named pipes and devices are created in these folders, because the
 * owner of such an entry is set by name. In a folder that other users can write
 * to, those users could replace the entry before its owner is set.
 */
export class PrivateFolders {
  readonly #tree: OpenFolders;
  readonly #folders = new Map<bigint, PrivateFolder>();
  /** The ID of the owner that new files get; `undefined` until it is needed. */
  #owner: number | undefined;

  /**
   * Prepares private folders for a tree. Each private folder is created when it
   * is first used.
   *
   * @param tree The folders of the tree.
   */
  constructor(tree: OpenFolders) {
    this.#tree = tree;
  }

  /**
   * Returns the private folder on the same file system as a folder of the tree.
   *
   * @param path The folder's path below the root.
   */
  beside(path: string): Folder {
    const { device } = this.#tree.at(path).stat();
    const known = this.#folders.get(device);
    if (known !== undefined) return known.folder;
    const above = this.#tree.root.stat().device === device ? "" : path;
    const parent = this.#tree.at(above);
    const name = temporaryName();
    parent.makeFolder(name, 0o700);
    const folder = parent.openFolder(name);
    try {
      this.checkOwn(folder.stat(), folder.place);
    } catch (error) {
      folder.close();
      throw error;
    }
    this.#folders.set(device, { folder, above, name });
    return folder;
  }

  /**
   * Throws an error if a folder that was just created does not have the owner
   * that new files get. A different owner means that another user replaced the
   * folder before it was opened.
   */
  checkOwn({ uid }: FileStat, place: string): void {
    this.#owner ??= this.#askOwner();
    if (uid === this.#owner) return;
    const words = "the folder was replaced by another folder";
    throw systemError("ENOENT", "open", place, words);
  }

  /** Closes and deletes the private folders. */
  close(): void {
    for (const { folder, above, name } of this.#folders.values()) {
      folder.close();
      try {
        this.#tree.at(above).removeFolder(name);
      } catch {
        // If the folder cannot be deleted now, the next restore deletes it.
      }
    }
    this.#folders.clear();
  }

  /**
   * Returns the ID of the owner that new files get. On some file systems, the
   * owner is not the user who creates the files.
   */
  #askOwner(): number {
    const { root } = this.#tree;
    const name = temporaryName();
    const file = root.createFile(name, 0o600);
    try {
      return file.stat().uid;
    } finally {
      file.close();
      root.unlink(name);
    }
  }
}
