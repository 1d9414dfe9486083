import { type Folder, isSameFile, type OpenFile } from "./folder.ts";
import { nameOf, parentPath } from "./path.ts";
import type { FileStat, Identity } from "./statx.ts";
import { systemError } from "./system_error.ts";
import type { XattrAccess } from "./xattrs.ts";

/** Options for keeping folders open. */
export interface OpenFoldersOptions {
  /**
   * The maximum number of open folders, not counting the root. It must be at
   * least 4. Default: 64.
   */
  most?: number;
  /**
   * Whether opening the path of a closed folder again fails if another folder
   * is now at this path. This is checked for the 65,536 most recently closed
   * folders. Default: `true`.
   */
  remembers?: boolean;
}

/** The default maximum number of open folders, not counting the root. */
const DEFAULT_MAX_OPEN_FOLDERS = 64;
/**
 * The length of a path, in UTF-16 code units, above which it takes long to look
 * up the path in a `Map`.
 */
const LONG_PATH_LENGTH = 512;
/** The maximum number of closed folders whose device and inode are kept. */
const MAX_REMEMBERED_FOLDERS = 1 << 16;

/**
 * The folders below a root, opened when they are needed. If they are used in
 * path order, few folders are opened more than once. A path can be longer than
 * the system's limit, because each folder is opened from the one above it.
 */
export class OpenFolders {
  /** The open root folder. */
  readonly root: Folder;
  /**
   * The open folders by their paths. The most recently used folder is the last.
   */
  readonly #open = new Map<string, Folder>();
  /** The devices and inodes of closed folders, by the folders' paths. */
  readonly #closed = new Map<string, Identity>();
  readonly #most: number;
  readonly #remembers: boolean;
  #lastPath: string | undefined;
  #last: Folder | undefined;
  /**
   * The path of `#above`, the folder from which `#openBelow` last opened a
   * folder; `undefined` after open folders were closed.
   */
  #abovePath: string | undefined;
  #above: Folder | undefined;

  /**
   * Makes an instance that takes over an open root.
   *
   * @param root The root, which `close` closes.
   * @param options Options for keeping folders open.
   */
  constructor(root: Folder, options: OpenFoldersOptions = {}) {
    this.root = root;
    this.#most = options.most ?? DEFAULT_MAX_OPEN_FOLDERS;
    this.#remembers = options.remembers ?? true;
  }

  /**
   * Opens a folder, or returns it if it is already open. The folder stays open
   * at least until the end of the next call of this method, so that two folders
   * can be used together.
   *
   * @param path The path below the root, `""` for the root.
   * @throws The error of the system, such as `ENOTDIR` if a symlink or file is
   * on the path, or `ENOENT` if a folder is absent or, with `remembers`, was
   * replaced by another folder.
   */
  at(path: string): Folder {
    if (path === "") return this.root;
    if (path === this.#lastPath && this.#last !== undefined) return this.#last;
    const known = this.#open.get(path);
    const folder = known === undefined
      ? this.#openBelow(path)
      : this.#touch(path, known);
    this.#lastPath = path;
    this.#last = folder;
    return folder;
  }

  /** Opens a file by its path; see {@linkcode Folder.openFile}. */
  openFile(path: string): OpenFile {
    return this.at(parentPath(path)).openFile(nameOf(path));
  }

  /** Opens a file by its path; see {@linkcode Folder.openUnseen}. */
  openUnseen(path: string): OpenFile {
    return this.at(parentPath(path)).openUnseen(nameOf(path));
  }

  /**
   * Returns the state of the entry at a path. See {@linkcode Folder.statAt}.
   */
  statAt(path: string): FileStat | undefined {
    return path === ""
      ? this.root.stat()
      : this.at(parentPath(path)).statAt(nameOf(path));
  }

  /**
   * Returns access to the extended attributes of the entry at a path;
   * `undefined` if the runtime has no calls for extended attributes.
   */
  xattrsAt(path: string): XattrAccess | undefined {
    if (path === "") return this.root.ownXattrs?.();
    return this.at(parentPath(path)).xattrsAt?.(nameOf(path));
  }

  /**
   * Returns whether the file at a path is a placeholder. See
   * {@linkcode Folder.isPlaceholder}.
   */
  isPlaceholder(path: string): boolean {
    return this.at(parentPath(path)).isPlaceholder?.(nameOf(path)) ?? false;
  }

  /** Returns the target of a symlink. See {@linkcode Folder.readLink}. */
  readLink(path: string): string {
    return this.at(parentPath(path)).readLink(nameOf(path));
  }

  /** Makes an open folder the most recently used one. */
  #touch(path: string, folder: Folder): Folder {
    this.#open.delete(path);
    this.#open.set(path, folder);
    return folder;
  }

  /** Opens a folder from the folder above it, which is usually open. */
  #openBelow(path: string): Folder {
    const end = path.lastIndexOf("/");
    const above = end < 0 ? "" : path.slice(0, end);
    let parent = above === this.#abovePath ? this.#above : undefined;
    if (parent === undefined) {
      parent = above === "" ? this.root : this.#open.get(above);
      if (parent === undefined) return this.#descend(path);
      if (above !== "") this.#touch(above, parent);
      this.#abovePath = above;
      this.#above = parent;
    }
    const folder = parent.openFolder(path.slice(end + 1));
    this.#keep(path, folder);
    return folder;
  }

  /**
   * Opens a folder, and each folder between it and the nearest open folder
   * above it.
   */
  #descend(path: string): Folder {
    const { ends, ...nearest } = this.#nearestOpen(path);
    let { at, folder } = nearest;
    const mayKeep = this.#most >> 1;
    let isKept = true;
    for (let end = ends.pop(); end !== undefined; end = ends.pop()) {
      const from = folder;
      try {
        folder = from.openFolder(path.slice(at === 0 ? 0 : at + 1, end));
      } finally {
        // A folder that was opened only to reach the next one is closed at
        // once. If it were kept, another open folder would have to be closed.
        if (!isKept) from.close();
      }
      at = end;
      isKept = ends.length < mayKeep;
      if (isKept) this.#keep(path.slice(0, at), folder);
    }
    return folder;
  }

  /**
   * Returns the nearest open folder above a path. `at` is the length of this
   * folder's path, which is 0 for the root. `ends` has the lengths of the paths
   * of the folders that must be opened, the deepest folder first.
   */
  #nearestOpen(path: string): { ends: number[]; at: number; folder: Folder } {
    const ends = [path.length];
    let end = path.lastIndexOf("/");
    // Looking up a long path is slow, so only paths that are as long as the
    // path of an open folder are looked up.
    const lengths = path.length > LONG_PATH_LENGTH
      ? new Set(Array.from(this.#open.keys(), (at) => at.length))
      : undefined;
    for (; end > 0; end = path.lastIndexOf("/", end - 1)) {
      if (lengths?.has(end) !== false) {
        const above = path.slice(0, end);
        const folder = this.#open.get(above);
        if (folder !== undefined) {
          return { ends, at: end, folder: this.#touch(above, folder) };
        }
      }
      ends.push(end);
    }
    return { ends, at: 0, folder: this.root };
  }

  /**
   * Closes a folder that is about to be deleted or renamed, and all open
   * folders below it. Afterwards, a different folder is accepted at this path.
   * A different folder at a path below this one is accepted only if this method
   * is also called for that path.
   *
   * @param path The path below the root.
   */
  forget(path: string): void {
    const below = `${path}/`;
    for (const [at, folder] of this.#open) {
      if (at !== path && !at.startsWith(below)) continue;
      folder.close();
      this.#open.delete(at);
    }
    this.#closed.delete(path);
    this.#lastPath = undefined;
    this.#abovePath = undefined;
  }

  /** Closes the root and all other folders. */
  close(): void {
    this.closeBelow();
    this.root.close();
  }

  /** Closes all folders except the root. */
  closeBelow(): void {
    for (const folder of this.#open.values()) folder.close();
    this.#open.clear();
    this.#lastPath = undefined;
    this.#abovePath = undefined;
  }

  #keep(path: string, folder: Folder): void {
    this.#checkSame(path, folder);
    if (this.#open.size >= this.#most) {
      const [oldest, closing] = this.#oldest();
      if (this.#remembers) this.#remember(oldest, closing);
      this.#open.delete(oldest);
      closing.close();
      if (this.#last === closing) this.#lastPath = undefined;
    }
    this.#open.set(path, folder);
  }

  /**
   * Returns the least recently used open folder. Skips the folder from which
   * another folder is being opened.
   */
  #oldest(): [path: string, folder: Folder] {
    const [first, second] = this.#open;
    const [path, folder] = first;
    if (path !== this.#abovePath) return first;
    this.#touch(path, folder);
    return second ?? first;
  }

  #remember(path: string, folder: Folder): void {
    if (this.#closed.size >= MAX_REMEMBERED_FOLDERS) {
      const [first] = this.#closed.keys();
      this.#closed.delete(first);
    }
    this.#closed.set(path, folder.identity());
  }

  #checkSame(path: string, folder: Folder): void {
    if (this.#closed.size === 0) return;
    const before = this.#closed.get(path);
    if (before === undefined) return;
    if (isSameFile(before, folder.identity())) {
      this.#closed.delete(path);
      return;
    }
    folder.close();
    const words = "the folder was replaced by another folder";
    throw systemError("ENOENT", "open", folder.place, words);
  }
}
