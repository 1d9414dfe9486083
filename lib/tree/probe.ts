import { nodePath } from "../bytes/node.ts";
import { temporaryName } from "../storage/temporary.ts";
import { type Folder, isSameFile } from "./folder.ts";
import { openFolder } from "./open_folder.ts";
import { removeTree } from "./remove_tree.ts";

/** Questions to a disk about names that do not exist on it yet. */
export interface NameProbe {
  /** Whether two names are one in a folder. */
  isOne(folder: string, name: string, other: string): boolean;
  /** Returns the name under which a folder lists a file created with a name. */
  listed(folder: string, name: string): string | undefined;
}

/**
 * Asks a disk about names by giving them to empty files, in a folder of its own
 * that is gone afterwards; the time of the folder above does not tell of it.
 * Where this user may not write, two names are two.
 */
export class DiskProbe implements NameProbe {
  readonly #place: (path: string) => string;

  /** @param place Returns where a folder is on the disk. */
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

/** Opens a folder, or the nearest above it that is there. */
function openNearest(place: string): Folder {
  try {
    return openFolder(place);
  } catch (error) {
    const above = nodePath.dirname(place);
    if (above === place) throw error;
    return openNearest(above);
  }
}

/** Does work with a new folder, which is removed afterwards. */
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
