import { fs, nodePath } from "../bytes/node.ts";
import { codeOf, DeltarError } from "../bytes/errors.ts";
import { toHex } from "../bytes/hex.ts";
import { createSha256 } from "../bytes/sha256.ts";
import { STAGE_PREFIX } from "../storage/temporary.ts";
import { faultOf, fileError, pathError } from "./file.ts";
import { openFolder } from "./open_folder.ts";
import { OpenFolders } from "./open_folders.ts";
import { checkPath, isWithin, parentPath } from "./path.ts";
import { truePlace } from "./place.ts";
import { readPieces, readWhole, WHOLE_LIMIT } from "./read_file.ts";
import type { FileStat } from "./statx.ts";

/**
 * The present content of a directory, looked up path by path. No symlink is
 * followed: what would be behind one counts as absent.
 */
export class Survey {
  /** The directory's absolute path, without symlinks. */
  readonly root: string;
  #folders: OpenFolders | undefined;
  /** A folder that was found absent; so is all below it. */
  #absent: string | undefined;
  #buffer: Uint8Array | undefined;

  /**
   * Looks at a directory, which need not be there. It is open until `close` is
   * called.
   *
   * @throws {DeltarError} `exists` if it is something else.
   */
  constructor(root: string) {
    try {
      this.root = fs.realpathSync(root);
      this.#folders = new OpenFolders(openFolder(this.root));
    } catch (error) {
      const code = codeOf(error);
      if (code === "ENOTDIR" && fs.existsSync(root)) {
        throw new DeltarError("exists", "this is not a directory", {
          object: root,
        });
      }
      if (code !== "ENOENT") throw fileError(error, root);
      this.root = truePlace(root);
      this.#absent = "";
    }
  }

  /** Whether there is nothing in the directory, or no directory. */
  get isVacant(): boolean {
    return this.#absent === "" || this.names("").length === 0;
  }

  /** Returns the state of a path, or `undefined` if it is absent. */
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

  /** A symlink's text. */
  target(path: string): string {
    return this.#attempt(path, () => this.#open().readLink(path));
  }

  /** The SHA-256 of a file's bytes, in hexadecimal, piece by piece. */
  *sha256(path: string, size: number): Generator<void, string> {
    try {
      const sum = createSha256();
      const file = this.#open().openFile(path);
      try {
        if (size <= WHOLE_LIMIT) {
          this.#buffer ??= new Uint8Array(WHOLE_LIMIT + 1);
          // One byte more shows a file that has grown.
          sum.update(readWhole(file, size + 1, this.#buffer));
        } else {
          for (const piece of readPieces(file)) {
            sum.update(piece);
            yield;
          }
        }
      } finally {
        file.close();
      }
      return toHex(sum.digest());
    } catch (error) {
      throw pathError(error, path);
    }
  }

  /** The names in a folder, sorted, deltar's own temporary ones left out. */
  names(path: string): string[] {
    return this.#attempt(
      path,
      () =>
        this.#open().at(path).names()
          .filter((name) => !name.startsWith(STAGE_PREFIX)).sort(),
    );
  }

  /**
   * A name in a folder that no plan may remove: one of deltar's own temporary
   * files, or one that is not valid UTF-8, by which nothing can be saved.
   */
  untouchable(path: string): string | undefined {
    return this.#attempt(
      path,
      () =>
        this.#open().at(path).names().find((name) =>
          name.startsWith(STAGE_PREFIX) || name.includes("\uFFFD")
        ),
    );
  }

  /** All that lies below a folder, folders before what is in them. */
  *below(path: string): Generator<{ path: string; stat: FileStat }> {
    for (const name of this.names(path)) {
      const at = path === "" ? name : `${path}/${name}`;
      const stat = this.#attempt(at, () => this.#open().statAt(at));
      if (stat === undefined) continue;
      yield { path: at, stat };
      if (stat.kind === "directory") yield* this.below(at);
    }
  }

  /** Where a path is on the disk. */
  place(path: string): string {
    return path === "" ? this.root : `${this.root}/${path}`;
  }

  /**
   * The way from the directory to a place, which begins with `..` if that is
   * not in it, and is nothing but `..` if the directory lies in the place.
   */
  wayTo(place: string): string {
    return nodePath.relative(truePlace(this.root), truePlace(place))
      .split(nodePath.sep).join("/");
  }

  /** Forgets a folder that was renamed, and what was found in it. */
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
