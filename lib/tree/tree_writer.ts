import { fs, nodePath, process } from "../bytes/node.ts";
import { DeltarError } from "../bytes/errors.ts";
import type { ByteSource } from "../bytes/source.ts";
import { temporaryName } from "../storage/temporary.ts";
import type { Metadata } from "./entry.ts";
import { fileError } from "./file.ts";
import { checkPath, comparePaths, parentPath } from "./path.ts";
import { type FileStat, lstat, setTimes } from "./stat.ts";
import {
  checkContent,
  type ExpectedContent,
  writePieces,
  writeWhole,
} from "./write_content.ts";

/** How to write a tree. */
export interface TreeWriterOptions {
  /**
   * Whether a file is on the disk before it gets its name; for what replaces
   * other files. Default: `false`.
   */
  durable?: boolean | ((path: string) => boolean);
  /**
   * Called right before a file or link takes its name, or something is
   * removed: makes room, or throws so that what is there stays.
   */
  onReplace?: (path: string) => void;
  /** Called before each change of the disk, with the change in words. */
  onStep?: (step: string) => void;
}

/**
 * Writes a tree into a directory and never outside of it: paths are checked,
 * and no symlink is followed on the way. A file appears whole or not at all,
 * under its name only once its content is what was expected. Existing files
 * and links are replaced, directories kept.
 */
export class TreeWriter {
  /** The directory's absolute path, without symlinks. */
  readonly root: string;
  /** Folders known to be real ones, not links. */
  readonly #folders = new Set<string>();
  /** The state that folders get, or get back, when all is in them. */
  readonly #pending = new Map<string, Metadata>();
  /** Whether owners can be set: root may, but not in every container. */
  #owned: boolean;
  readonly #options: TreeWriterOptions;

  /**
   * Opens a directory for writing; it is made if it is not there.
   *
   * @param root A path of the operating system.
   * @param options How to write.
   */
  constructor(root: string, options: TreeWriterOptions = {}) {
    this.#options = options;
    this.#owned = ownerMatters();
    try {
      const made = fs.mkdirSync(root, { recursive: true });
      this.root = fs.realpathSync(root);
      if (made === undefined) this.#keep("", lstat(this.root));
    } catch (error) {
      throw fileError(error, root);
    }
    this.#folders.add("");
  }

  /**
   * Makes a directory, and those above it. Its mode and time are set by
   * `finish`, since what is written into it changes them.
   */
  directory(path: string, metadata: Metadata): void {
    if (path !== "") {
      checkPath(path);
      this.#enter(parentPath(path));
      this.#enter(path, 0o700);
    }
    this.#pending.set(path, metadata);
  }

  /**
   * Writes a file.
   *
   * @param path The path below the root.
   * @param source Its content.
   * @param metadata Its mode, time and owner.
   * @param expected What the content has to be.
   * @throws {DeltarError} `mismatch` if the content is another; nothing is
   * there then that was not before.
   */
  async file(
    path: string,
    source: ByteSource,
    metadata: Metadata,
    expected?: ExpectedContent,
  ): Promise<void> {
    const place = this.#place(path);
    const temporary = this.#temporary(path);
    const { durable: told = false } = this.#options;
    const durable = typeof told === "function" ? told(path) : told;
    try {
      this.#step("write");
      const got = source instanceof Uint8Array
        ? writeWhole(temporary, source, expected, durable)
        : await writePieces(temporary, source, durable);
      checkContent(path, got, expected);
      this.#setMetadata(temporary, metadata);
      this.#options.onReplace?.(path);
      this.#step("rename");
      fs.renameSync(temporary, place);
    } catch (error) {
      this.#step("remove temporary");
      fs.rmSync(temporary, { force: true });
      throw fileError(error, path);
    }
  }

  /** Makes a symlink; where it points to is not looked at. */
  symlink(path: string, target: string, metadata: Metadata): void {
    this.#appear(path, (temporary) => {
      fs.symlinkSync(target, temporary);
      this.#setOwner(temporary, metadata);
      setTimes(temporary, metadata.mtime);
    });
  }

  /**
   * Makes another name of a file that is there.
   *
   * @param path The new name, below the root.
   * @param existing The name it has, below the root.
   */
  hardLink(path: string, existing: string): void {
    const from = this.#place(existing);
    this.#appear(path, (temporary) => {
      if (!fs.lstatSync(from).isFile()) {
        throw new DeltarError("unsafe", "a hard link to what is no file", {
          path,
        });
      }
      fs.linkSync(from, temporary);
    });
  }

  /** Sets mode, time and owner of a file, or later of a directory. */
  touch(path: string, metadata: Metadata): void {
    const place = this.#place(path);
    this.#attempt(path, () => {
      const stat = fs.lstatSync(place);
      this.#step("touch");
      if (stat.isDirectory()) this.#pending.set(path, metadata);
      else if (stat.isSymbolicLink()) {
        this.#setOwner(place, metadata);
        setTimes(place, metadata.mtime);
      } else this.#setMetadata(place, metadata);
    });
  }

  /** Removes a file or link, or an empty directory. */
  remove(path: string): void {
    const place = this.#place(path);
    this.#attempt(path, () => {
      this.#options.onReplace?.(path);
      this.#step("remove");
      if (fs.lstatSync(place).isDirectory()) fs.rmdirSync(place);
      else fs.unlinkSync(place);
    });
    this.#folders.delete(path);
    this.#pending.delete(path);
  }

  /**
   * Gives a file that was written elsewhere on the same disk its name here.
   *
   * @param path The path below the root.
   * @param from A path of the operating system.
   */
  adopt(path: string, from: string): void {
    const place = this.#place(path);
    this.#attempt(path, () => fs.renameSync(from, place));
  }

  /**
   * Gives the directories their mode, time and owner, the deepest first.
   *
   * @param beforeRoot Called before the root gets its own: the last time that
   * something may be changed in it.
   */
  finish(beforeRoot?: () => void): void {
    const deepestFirst = [...this.#pending]
      .sort(([left], [right]) => comparePaths(right, left));
    if (!this.#pending.has("")) beforeRoot?.();
    for (const [path, metadata] of deepestFirst) {
      const place = nodePath.join(this.root, path);
      this.#step("finish folder");
      this.#attempt(path, () => {
        const isRoot = path === "" && beforeRoot !== undefined;
        if (isRoot) {
          // If this is the last that happens, only the time is not as it was.
          if (metadata.mode & 0o200) this.#setMetadata(place, metadata);
          beforeRoot();
        }
        this.#setMetadata(place, metadata);
      });
    }
    this.#pending.clear();
  }

  /** Has something made under another name take its place in one step. */
  #appear(path: string, make: (temporary: string) => void): void {
    const place = this.#place(path);
    const temporary = this.#temporary(path);
    try {
      this.#step("make link");
      make(temporary);
      this.#options.onReplace?.(path);
      this.#step("rename link");
      fs.renameSync(temporary, place);
    } catch (error) {
      throw fileError(error, path);
    } finally {
      this.#step("remove temporary");
      // Renaming onto another name of the same file leaves both (POSIX).
      fs.rmSync(temporary, { force: true });
    }
  }

  /** Where a path is on the disk, once the folders above it are real. */
  #place(path: string): string {
    checkPath(path);
    this.#enter(parentPath(path));
    return `${this.root}/${path}`;
  }

  /** Makes a folder and those above it; a link in their place is refused. */
  #enter(path: string, mode = 0o777): void {
    if (this.#folders.has(path)) return;
    this.#enter(parentPath(path));
    this.#attempt(path, () => {
      const place = `${this.root}/${path}`;
      const there = fs.lstatSync(place, { throwIfNoEntry: false });
      if (there === undefined) {
        this.#step("make folder");
        fs.mkdirSync(place, mode);
      } else this.#keep(path, lstat(place));
    });
    this.#folders.add(path);
  }

  /** Has an existing folder keep its state, whatever is written into it. */
  #keep(path: string, stat: FileStat): void {
    if (stat.kind !== "directory") {
      throw new DeltarError("unsafe", "a file or link is in the way", { path });
    }
    if (!this.#owned && (stat.mode & 0o300) !== 0o300) {
      fs.chmodSync(nodePath.join(this.root, path), stat.mode | 0o700);
    }
    if (!this.#pending.has(path)) this.#pending.set(path, stat);
  }

  /** A name in the same folder, so that a rename is one step. */
  #temporary(path: string): string {
    return nodePath.join(this.root, parentPath(path), temporaryName());
  }

  #setOwner(place: string, { uid, gid }: Metadata): void {
    if (!this.#owned) return;
    try {
      fs.lchownSync(place, uid, gid);
    } catch (error) {
      if ((error as { code?: string }).code !== "EPERM") throw error;
      this.#owned = false;
    }
  }

  #setMetadata(place: string, metadata: Metadata): void {
    // Changing the owner clears the set-user-id bit, so the mode comes after.
    this.#setOwner(place, metadata);
    fs.chmodSync(place, metadata.mode);
    setTimes(place, metadata.mtime);
  }

  #step(step: string): void {
    this.#options.onStep?.(step);
  }

  #attempt(path: string, work: () => void): void {
    try {
      work();
    } catch (error) {
      throw fileError(error, path || this.root);
    }
  }
}

/** Whether this process may give files away: only root, on POSIX. */
export function ownerMatters(): boolean {
  return process.getuid?.() === 0;
}
