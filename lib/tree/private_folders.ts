import { temporaryName } from "../storage/temporary.ts";
import type { Folder } from "./folder.ts";
import type { OpenFolders } from "./open_folders.ts";
import type { FileStat } from "./stat.ts";
import { systemError } from "./system_error.ts";

/** A folder that only this process may enter, and the path it is in. */
interface PrivateFolder {
  folder: Folder;
  above: string;
  name: string;
}

/**
 * Folders that nobody else may enter, one for each disk that a tree lies on, in
 * which links are prepared: what is set by a name cannot be led astray there.
 */
export class PrivateFolders {
  readonly #tree: OpenFolders;
  readonly #folders = new Map<bigint, PrivateFolder>();
  /** The user that new files belong to. */
  #owner: number | undefined;

  /** @param tree The folders of the tree. */
  constructor(tree: OpenFolders) {
    this.#tree = tree;
  }

  /**
   * Returns such a folder on the disk that a folder of the tree is on.
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
   * Refuses a folder that belongs to somebody else although it was just made:
   * it was exchanged before it was opened.
   */
  checkOwn({ uid }: FileStat, place: string): void {
    this.#owner ??= this.#askOwner();
    if (uid === this.#owner) return;
    const words = "another folder has taken its place";
    throw systemError("ENOENT", "open", place, words);
  }

  /** Removes and closes them. */
  close(): void {
    for (const { folder, above, name } of this.#folders.values()) {
      folder.close();
      try {
        this.#tree.at(above).removeFolder(name);
      } catch {
        // The next restore removes it.
      }
    }
    this.#folders.clear();
  }

  /** Not every disk gives new files to the user that made them. */
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
