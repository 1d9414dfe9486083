import { fs, nodePath } from "../bytes/node.ts";
import { DeltarError } from "../bytes/errors.ts";
import { toHex } from "../bytes/hex.ts";
import { createSha256 } from "../bytes/sha256.ts";
import { STAGE_PREFIX } from "../storage/temporary.ts";
import { fileError, realPlace } from "./file.ts";
import { checkPath, parentPath } from "./path.ts";
import { readPieces, readWhole, WHOLE_LIMIT } from "./read_file.ts";
import { type FileStat, lstat } from "./stat.ts";

/**
 * What is in a directory now, asked path by path. No symlink is followed on
 * the way: what would lie behind one is not there.
 */
export class Survey {
  /** The directory's absolute path, without symlinks. */
  readonly root: string;
  /** Folders known to be real ones, or not. */
  readonly #folders = new Map<string, boolean>([["", true]]);
  #buffer: Uint8Array | undefined;

  /**
   * Looks at a directory, which need not be there.
   *
   * @throws {DeltarError} `exists` if it is something else.
   */
  constructor(root: string) {
    try {
      this.root = fs.realpathSync(root);
    } catch (error) {
      if ((error as { code?: string }).code !== "ENOENT") {
        throw fileError(error, root);
      }
      this.root = nodePath.resolve(root);
      this.#folders.set("", false);
      return;
    }
    if (this.#stat("")?.kind !== "directory") {
      throw new DeltarError("exists", "this is not a directory", {
        object: root,
      });
    }
  }

  /** Whether there is nothing in the directory, or no directory. */
  get isVacant(): boolean {
    return !this.#isFolder("") || this.names("").length === 0;
  }

  /** What is at a path, or `undefined`. */
  at(path: string): FileStat | undefined {
    if (path !== "") {
      checkPath(path);
      if (!this.#isFolder(parentPath(path))) return undefined;
    }
    return this.#stat(path);
  }

  /** A symlink's text. */
  target(path: string): string {
    return this.#attempt(path, () => fs.readlinkSync(this.place(path)));
  }

  /** The SHA-256 of a file's bytes, in hexadecimal. */
  sha256(path: string, size: number): string {
    return this.#attempt(path, () => {
      const sum = createSha256();
      const place = this.place(path);
      if (size <= WHOLE_LIMIT) {
        this.#buffer ??= new Uint8Array(WHOLE_LIMIT + 1);
        // One byte more shows a file that has grown.
        sum.update(readWhole(place, size + 1, this.#buffer));
      } else for (const piece of readPieces(place)) sum.update(piece);
      return toHex(sum.digest());
    });
  }

  /** The names in a folder, sorted, deltar's own temporary ones left out. */
  names(path: string): string[] {
    return this.#attempt(
      path,
      () =>
        fs.readdirSync(this.place(path))
          .filter((name) => !name.startsWith(STAGE_PREFIX)).sort(),
    );
  }

  /** All that lies below a folder, folders before what is in them. */
  *below(path: string): Generator<{ path: string; stat: FileStat }> {
    for (const name of this.names(path)) {
      const at = path === "" ? name : `${path}/${name}`;
      const stat = this.#stat(at);
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
    return nodePath.relative(realPlace(this.root), realPlace(place))
      .split(nodePath.sep).join("/");
  }

  #isFolder(path: string): boolean {
    let known = this.#folders.get(path);
    if (known === undefined) {
      known = this.#isFolder(parentPath(path)) &&
        this.#stat(path)?.kind === "directory";
      this.#folders.set(path, known);
    }
    return known;
  }

  #stat(path: string): FileStat | undefined {
    try {
      return lstat(this.place(path));
    } catch (error) {
      const { code } = error as { code?: string };
      if (code === "ENOENT" || code === "ENOTDIR") return undefined;
      throw fileError(error, path);
    }
  }

  #attempt<Result>(path: string, work: () => Result): Result {
    try {
      return work();
    } catch (error) {
      throw fileError(error, path);
    }
  }
}
