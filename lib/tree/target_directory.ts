import { fs, nodePath } from "../bytes/node.ts";
import { codeOf, DeltarError } from "../bytes/errors.ts";
import { STAGE_PREFIX } from "../storage/temporary.ts";
import { hasContent } from "./content_sum.ts";
import { faultOf, fileError, pathError } from "./file.ts";
import { canUseRawNames, canUseXattrs, openFolder } from "./open_folder.ts";
import { OpenFolders } from "./open_folders.ts";
import { checkPath, isWithin, parentPath } from "./path.ts";
import { truePlace } from "./place.ts";
import { MAX_WHOLE_BYTES } from "./read_file.ts";
import { rootXattrs } from "./read_xattrs.ts";
import type { FileStat } from "./statx.ts";
import { clearFolder, isLeftIn } from "./work_journal.ts";
import type { ExpectedContent } from "./write_content.ts";
import { xattrChanges, type Xattrs, type XattrSelection } from "./xattrs.ts";

/**
 * The current content of a directory. Each path is looked up when it is
 * requested. Symlinks in the directory are not followed, so paths below a
 * symlink count as absent.
 */
export class TargetDirectory {
  /** The directory's absolute path, without symlinks. */
  readonly root: string;
  #folders: OpenFolders | undefined;
  /**
   * The path of the folder that was last found to be absent. Paths below it
   * count as absent and are not looked up.
   */
  #absent: string | undefined;
  #buffer: Uint8Array | undefined;

  /**
   * Opens a directory, which stays open until `close` is called. A directory
   * that does not exist is treated as empty.
   *
   * @param root The path, in the syntax of the operating system.
   * @throws {DeltarError} `exists` if the path exists and is not a directory;
   * `io` if it cannot be opened.
   */
  constructor(root: string) {
    try {
      this.root = fs.realpathSync(root);
      this.#folders = new OpenFolders(openFolder(this.root));
    } catch (error) {
      const code = codeOf(error);
      if (code === "ENOTDIR" && fs.existsSync(root)) {
        throw new DeltarError("exists", "not a directory", {
          object: root,
        });
      }
      if (code !== "ENOENT") throw fileError(error, root);
      this.root = truePlace(root);
      this.#absent = "";
    }
  }

  /**
   * Whether the directory does not exist or is empty, except for deltar's
   * temporary files.
   */
  get isVacant(): boolean {
    return this.#absent === "" || this.names("").length === 0;
  }

  /**
   * Returns the state of the entry at a path, or `undefined` if there is none.
   *
   * @param path The path below the root, `""` for the root.
   * @throws {DeltarError} `unsafe` if `path` is not a path inside a tree; `io`
   * if the system refuses access.
   */
  at(path: string): FileStat | undefined {
    if (path !== "") checkPath(path);
    const folder = parentPath(path);
    if (this.#absent !== undefined && isWithin(folder, this.#absent)) {
      return undefined;
    }
    try {
      return this.#open().statAt(path);
    } catch (error) {
      if (faultOf(error)[0] !== "vanished") throw pathError(error, path);
      this.#absent = folder;
      return undefined;
    }
  }

  /**
   * Returns whether the extended attributes of the entry at a path need no
   * change, as {@linkcode xattrChanges} determines. Returns `true` if the
   * runtime has no calls for extended attributes.
   *
   * @param path The path below the root, `""` for the root.
   * @param wanted The attributes in the snapshot. If they are `undefined`,
   * nothing is compared, and the result is `true`.
   * @param selects Called with the name of each attribute. Returns whether the
   * attribute is compared. By default, all attributes are compared.
   */
  hasXattrs(
    path: string,
    wanted: Xattrs | undefined,
    selects?: XattrSelection,
  ): boolean {
    if (wanted === undefined || !canUseXattrs()) return true;
    return this.#attempt(path, () => {
      const access = this.#open().xattrsAt(path);
      if (access === undefined) return true;
      const { set, remove } = xattrChanges(access, wanted, selects);
      return set.length === 0 && remove.length === 0;
    });
  }

  /**
   * Returns the extended attributes of the directory itself; `undefined` if
   * they cannot be read.
   */
  rootXattrs(): Xattrs | undefined {
    return canUseXattrs() ? rootXattrs(this.#open()) : undefined;
  }

  /** Returns the target of a symlink. */
  target(path: string): string {
    return this.#attempt(path, () => this.#open().readLink(path));
  }

  /**
   * Returns whether a file has the given content. If the content is larger than
   * 1 MiB, the file is read in parts, and the method yields after each part.
   *
   * @param path The path below the root.
   * @param content The size and the checksum of the content.
   * @throws {DeltarError} `not-found` if the file does not exist; `io` if the
   * file cannot be read.
   */
  *hasContent(
    path: string,
    content: ExpectedContent,
  ): Generator<void, boolean> {
    try {
      this.#buffer ??= new Uint8Array(MAX_WHOLE_BYTES + 1);
      const file = this.#open().openFile(path);
      try {
        return yield* hasContent(file, content, this.#buffer);
      } finally {
        file.close();
      }
    } catch (error) {
      throw pathError(error, path);
    }
  }

  /**
   * Returns the names in a folder, sorted and without deltar's temporary files.
   */
  names(path: string): string[] {
    return this.#attempt(
      path,
      () =>
        this.#open().at(path).names()
          .filter((name) => !name.startsWith(STAGE_PREFIX)).sort(),
    );
  }

  /**
   * Returns the first name in a folder that no plan may delete, or `undefined`
   * if no name is protected. The protected names are those of journals and of
   * temporary files that a running process might be writing. Where names are
   * not read as bytes, names with U+FFFD are also protected: this character can
   * represent invalid bytes, and a safety snapshot cannot store a file with
   * such a name.
   */
  untouchable(path: string): string | undefined {
    return this.#attempt(path, () => {
      const folder = this.#open().at(path);
      return folder.names().find((name) =>
        name.startsWith(STAGE_PREFIX) && !isLeftIn(folder, name) ||
        !canUseRawNames() && name.includes("\uFFFD")
      );
    });
  }

  /**
   * Deletes the temporary files that killed processes left in a folder. Returns
   * whether the folder no longer contains temporary files.
   */
  clearAbandoned(path: string): boolean {
    return this.#attempt(path, () => {
      const folder = this.#open().at(path);
      clearFolder(folder);
      return !folder.names().some((name) => name.startsWith(STAGE_PREFIX));
    });
  }

  /**
   * Yields the path and the state of each entry below a folder, except for
   * deltar's temporary files. Each folder comes before its content.
   */
  *below(path: string): Generator<{ path: string; stat: FileStat }> {
    for (const name of this.names(path)) {
      const at = path === "" ? name : `${path}/${name}`;
      const stat = this.#attempt(at, () => this.#open().statAt(at));
      if (stat === undefined) continue;
      yield { path: at, stat };
      if (stat.kind === "directory") yield* this.below(at);
    }
  }

  /** Returns the absolute path of the entry at a path below the root. */
  place(path: string): string {
    return path === "" ? this.root : `${this.root}/${path}`;
  }

  /**
   * Returns the relative path, `/`-separated, from the directory to a place,
   * `""` for the directory itself. The path begins with `..` if the place is
   * outside the directory, and consists only of `..` segments if the place
   * contains the directory. On Windows, the path to another drive is absolute.
   */
  wayTo(place: string): string {
    return nodePath.relative(truePlace(this.root), truePlace(place))
      .split(nodePath.sep).join("/");
  }

  /**
   * Forgets a folder that was renamed, and everything known about its content.
   */
  forget(path: string): void {
    this.#folders?.forget(path);
    this.#absent = undefined;
  }

  /** Closes the directory. */
  close(): void {
    this.#folders?.close();
    this.#folders = undefined;
  }

  #open(): OpenFolders {
    this.#folders ??= new OpenFolders(openFolder(this.root));
    return this.#folders;
  }

  #attempt<Result>(path: string, work: () => Result): Result {
    try {
      return work();
    } catch (error) {
      throw pathError(error, path);
    }
  }
}
