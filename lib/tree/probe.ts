import { nodePath } from "../bytes/node.ts";
import { temporaryName } from "../storage/temporary.ts";
import { type Folder, isSameFile } from "./folder.ts";
import { openFolder } from "./open_folder.ts";
import { removeTree } from "./remove_tree.ts";

/** Tests that find out how a disk treats names that do not exist on it yet. */
export interface NameProbe {
  /**
   * Returns whether a folder treats two names as the same name; `false` if the
   * test is not possible.
   */
  isOne(folder: string, name: string, other: string): boolean;
  /**
   * Returns the name under which a folder lists a file that is created as
   * `name`; `undefined` if the test is not possible.
   */
  listed(folder: string, name: string): string | undefined;
}

/**
 * Tests names by creating empty files in a temporary folder on the disk.
 * Afterwards, the modification time of the folder that contains the temporary
 * folder is restored. If a test fails, for example because this user cannot
 * write to that folder, the names count as different, and `listed` returns
 * `undefined`.
 */
export class DiskProbe implements NameProbe {
  readonly #place: (path: string) => string;

  /**
   * Makes a probe.
   *
   * @param place Called with the path of a folder below the root. Returns the
   * folder's path, in the syntax of the operating system.
   */
  constructor(place: (path: string) => string) {
    this.#place = place;
  }

  /** See {@linkcode NameProbe.isOne}. */
  isOne(path: string, name: string, other: string): boolean {
    return this.#try(path, (folder) => {
      const file = folder.createFile(name, 0o600);
      try {
        const found = folder.statAt(other);
        return found !== undefined && isSameFile(found, file.stat());
      } finally {
        file.close();
      }
    }) ?? false;
  }

  /** See {@linkcode NameProbe.listed}. */
  listed(path: string, name: string): string | undefined {
    return this.#try(path, (folder) => {
      folder.createFile(name, 0o600).close();
      return folder.names()[0];
    });
  }

  #try<Result>(
    path: string,
    work: (folder: Folder) => Result,
  ): Result | undefined {
    try {
      const above = openNearest(this.#place(path));
      try {
        return withFolder(above, work);
      } finally {
        above.close();
      }
    } catch {
      return undefined;
    }
  }
}

/**
 * Opens a folder or, if this fails, the nearest folder above it that can be
 * opened.
 */
function openNearest(place: string): Folder {
  try {
    return openFolder(place);
  } catch (error) {
    const above = nodePath.dirname(place);
    if (above === place) throw error;
    return openNearest(above);
  }
}

/**
 * Runs a function with a new folder in `above`. Afterwards, deletes the new
 * folder and restores the modification time of `above`.
 */
function withFolder<Result>(
  above: Folder,
  work: (folder: Folder) => Result,
): Result {
  const { mtime } = above.stat();
  const name = temporaryName();
  above.makeFolder(name, 0o700);
  try {
    const folder = above.openFolder(name);
    try {
      return work(folder);
    } finally {
      folder.close();
    }
  } finally {
    removeTree(above, name);
    above.setOwnTimes(mtime);
  }
}
