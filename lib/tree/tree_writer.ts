import { process } from "../bytes/node.ts";
import { existing } from "../bytes/existing.ts";
import { codeOf, DeltarError, errorMessage } from "../bytes/errors.ts";
import type { ByteSource } from "../bytes/source.ts";
import { turnIfDue } from "../bytes/turns.ts";
import { temporaryName } from "../storage/temporary.ts";
import {
  canHaveLinks,
  type DeviceNumber,
  isSpecialKind,
  type Metadata,
  type SpecialKind,
} from "./entry.ts";
import { endsAll, fileError, pathError } from "./file.ts";
import { type Folder, isOwner, isSameFile, type OpenFile } from "./folder.ts";
import { nameFault } from "./name.ts";
import { canUseRawNames, canUseXattrs } from "./open_folder.ts";
import { closeToOthers, openTarget } from "./open_target.ts";
import { OpenFolders } from "./open_folders.ts";
import { checkPath, comparePaths, nameOf, parentPath } from "./path.ts";
import { PrivateFolders } from "./private_folders.ts";
import { MAX_WHOLE_BYTES } from "./read_file.ts";
import { SparseSource } from "./sparse.ts";
import type { FileStat } from "./stat.ts";
import { type Identity, splitTime } from "./statx.ts";
import { isPassedOver } from "./sync_tree.ts";
import { ownIds, PLATFORM } from "./this_system.ts";
import { withJson } from "./to_json.ts";
import { withBtime } from "./walked_entry.ts";
import {
  checkContent,
  type ExpectedContent,
  writeData,
  writePieces,
  writeSparse,
  writeWhole,
} from "./write_content.ts";
import type { ThreadFile } from "./writer_threads.ts";
import {
  changeXattrs,
  hasDefaultAcl,
  hasXattrs,
  readXattrs,
  selectXattrs,
  type XattrAccess,
  xattrChanges,
  type Xattrs,
  type XattrSelection,
} from "./xattrs.ts";

/** Options for writing a tree. */
export interface TreeWriterOptions {
  /**
   * Whether a file is flushed to the disk before it is renamed into place. If
   * this is a function, it is called with the path of each file and returns
   * whether the file is flushed. Use this option for files that replace
   * existing files. Default: `false`.
   */
  durable?: boolean | ((path: string) => boolean);
  /**
   * Whether large files are flushed while they are written, so that the final
   * flush is short. Default: `false`.
   */
  flushes?: boolean;
  /**
   * Called with a path directly before a new file, link, named pipe or device
   * is renamed to the path, or before the entry at the path is deleted. The
   * callback may delete what exists at the path, or throw an error to keep it.
   * `adopt` and `respell` do not call this callback.
   */
  onReplace?: (path: string) => void;
  /**
   * Called with a path and an error if the mode, time, owner or extended
   * attributes of the entry at the path could not be set, or if the folder at
   * the path was replaced. The error says what happened. The entry is created
   * nevertheless. By default, the error is thrown, and the entry is not created
   * unless it is a directory.
   */
  onUnset?: (path: string, error: DeltarError) => void;
  /**
   * Called with a path and an error if only extended attributes of the entry at
   * the path could not be set. The entry is created nevertheless. If this
   * callback is absent, `onUnset` is called. If both are absent, the error is
   * thrown.
   */
  onUnsetXattrs?: (path: string, error: DeltarError) => void;
  /**
   * Called with the name of each extended attribute. Returns whether the
   * attribute may be set, replaced or removed. By default, all attributes may
   * be changed.
   */
  selectsXattr?: XattrSelection;
  /**
   * Called before each step of the writing, such as a rename, with a
   * description of the step, so that tests can interrupt the writing at this
   * step.
   */
  onStep?: (step: string) => void;
}

/** The state that is set for a folder after its content is written. */
type Pending =
  | Metadata & { as: "wanted" }
  /**
   * The folder existed before. Its time is restored and, if `opened` is `true`
   * because the writer gave this user access to the folder, so is its mode.
   */
  | Metadata & { as: "kept"; opened: boolean }
  /**
   * The folder was created only because it is above another path. `finish`
   * gives it the default mode of a new folder.
   */
  | { as: "implied"; mode: number };

/** The mode that a new file has until its final mode is set. */
const NEW_FILE_MODE = 0o600;
/**
 * The maximum difference, in nanoseconds, between a time that was set and the
 * time that is read back. The difference is largest on FAT, which stores times
 * in steps of two seconds.
 */
const MAX_TIME_LOSS_NS = 2_000_000_000n;

/**
 * Returns whether a time that was read back differs from the time that was set
 * by at most `MAX_TIME_LOSS_NS`.
 */
function isKeptTime(time: bigint, set: bigint): boolean {
  const late = time - set;
  return late >= -MAX_TIME_LOSS_NS && late <= MAX_TIME_LOSS_NS;
}

/**
 * The methods that read and set the state of one entry. `setMode` is absent for
 * a symlink.
 */
interface StateSetter {
  stat(): FileStat | undefined;
  setOwner(uid: number, gid: number): void;
  setMode?(mode: number): void;
  setTimes(mtime: bigint): void;
  /**
   * Returns access to the extended attributes; `undefined` if the runtime has
   * no calls for extended attributes.
   */
  xattrs?(): XattrAccess | undefined;
}

/**
 * The number of folders without an entry that may always be created, even if
 * only one path is passed to the writer.
 */
const MIN_IMPLIED_FOLDERS = 4096;
/**
 * The number of further folders without an entry that may be created for each
 * path that is passed to the writer.
 */
const IMPLIED_FOLDERS_PER_PATH = 16;

let rootFolder: (writer: TreeWriter) => Folder;
let threadFile: typeof fileForThread;

/**
 * Returns the root folder of a writer. The methods `finish` and `close` of the
 * writer close this folder.
 */
export function rootOf(writer: TreeWriter): Folder {
  return rootFolder(writer);
}

/**
 * Returns the values that a thread needs to write a file, and keeps the file's
 * folder open until the caller releases it. Returns `undefined` if threads
 * cannot write the file: the writer has not yet found that the file system
 * keeps modes and times, the runtime has no system calls for folders, the owner
 * is invalid, the file has extended attributes, or the file would inherit an
 * ACL.
 *
 * @param writer The writer of the directory.
 * @param path The path below the root.
 * @param file The metadata of the file, and the size and SHA-256 that its
 * content must have.
 * @param skip The offset of the file's content in the decompressed frame, in
 * bytes.
 * @throws {DeltarError} The errors of `TreeWriter.directory` for the path.
 */
export function fileForThread(
  writer: TreeWriter,
  path: string,
  file: Metadata & ExpectedContent,
  skip: number,
): ThreadFile | undefined {
  return threadFile(writer, path, file, skip);
}

/**
 * Writes a tree into a directory and never outside it. Names are checked,
 * and each folder is opened from the folder above it without following a
 * symlink. A file gets its name only after its content has been checked, so the
 * file appears whole or not at all. Existing files and links are replaced.
 * Existing directories are kept. If the file system can change modes, other
 * users have no access to a new directory until `finish` is called.
 *
 * @example
 * ```ts
 * import { TreeWriter } from "@deltar/deltar/tree";
 * import assert from "node:assert/strict";
 * import { mkdtempSync, readFileSync, rmSync } from "node:fs";
 *
 * const folder = mkdtempSync("example-");
 * try {
 *   const writer = new TreeWriter(folder);
 *   const metadata = { mode: 0o644, mtime: 0n, uid: 0, gid: 0 };
 *   await writer.file("a/b.txt", new TextEncoder().encode("hello"), metadata);
 *   await assert.rejects(writer.file("../c", new Uint8Array(), metadata), {
 *     code: "unsafe",
 *   });
 *   writer.finish();
 *   assert.equal(readFileSync(`${folder}/a/b.txt`, "utf8"), "hello");
 * } finally {
 *   rmSync(folder, { recursive: true });
 * }
 * ```
 */
export class TreeWriter {
  static {
    rootFolder = (writer) => writer.#folders.root;
    threadFile = (writer, path, file, skip) => {
      const { mode, mtime, uid, gid, size, sha256 } = file;
      // A thread does not check whether the file system keeps modes and times.
      // Threads therefore write files only after this writer has found that the
      // file system keeps them.
      if (!writer.#keepsState) return undefined;
      if (writer.#owned && !isOwner(uid, gid)) return undefined;
      const folder = writer.#place(path);
      if (hasXattrs(file.xattrs)) return undefined;
      // New files in this folder inherit an ACL. Only this thread can remove
      // the ACL.
      if (
        file.xattrs !== undefined &&
        writer.#passesAclOn(parentPath(path), folder)
      ) {
        return undefined;
      }
      const fd = folder.hold?.();
      if (fd === undefined) return undefined;
      const { seconds, nanos } = splitTime(mtime);
      const isGiven = !writer.#owned ||
        writer.#owns(parentPath(path), uid, gid);
      return {
        folder,
        fd,
        name: nameOf(path),
        skip,
        size,
        sha256,
        mode,
        seconds: Number(seconds),
        nanos: Number(nanos),
        owner: isGiven ? undefined : { uid, gid },
      };
    };
  }

  /** The directory's absolute path, without symlinks. */
  readonly root: string;
  readonly #folders: OpenFolders;
  /**
   * The devices and inodes of the folders that the writer has opened or
   * created, by path.
   */
  readonly #entered = new Map<string, Identity>();
  /**
   * The states that are set or restored for folders after their content is
   * written, by path.
   */
  readonly #pending = new Map<string, Pending>();
  /** The number of paths that were passed to the writer. */
  #named = 0;
  /**
   * The number of folders that were created only because they are above other
   * paths.
   */
  #implied = 0;
  /**
   * The folders that this writer created, that other users cannot access, and
   * that belong to the user and the group of the process. New files in them
   * have the same owner and group, because a new file gets the group of either
   * the process or the folder.
   */
  readonly #made = new Set<string>();
  /** The user ID of the process; `undefined` on Windows. */
  readonly #user: number | undefined = process.geteuid?.();
  /** The group ID of the process; `undefined` on Windows. */
  readonly #group: number | undefined = process.getegid?.();
  /**
   * The folders that this writer created and that inherited no ACL. Until
   * `finish` is called, they have no extended attributes.
   */
  readonly #bare = new Set<string>();
  /** Whether new files in a folder inherit an ACL, by open folder. */
  readonly #aclFolders = new WeakMap<Folder, boolean>();
  /** Whether the writer sets the owner of entries, which only root can do. */
  readonly #owned: boolean = ownerMatters();
  readonly #private: PrivateFolders;
  readonly #options: TreeWriterOptions;
  /**
   * Whether an entry has shown that the file system keeps modes and times. Some
   * file systems, such as NTFS with `ntfs-3g`, accept modes and times but do
   * not keep them. Windows makes up modes, so nothing is checked on Windows.
   */
  #keepsState = PLATFORM === "win32";
  /** Whether the last synchronous flush took longer than `MAX_FLUSH_MS`. */
  #waitsForDisk = false;

  /**
   * Opens a directory for writing. The directory is created if it does not
   * exist.
   *
   * @param root The path, in the syntax of the operating system.
   * @param options Options for writing.
   * @throws {DeltarError} `io` if the directory cannot be created or opened.
   */
  constructor(root: string, options: TreeWriterOptions = {}) {
    this.#options = options;
    try {
      const { folder, place, newMode } = openTarget(root);
      this.root = place;
      this.#folders = new OpenFolders(folder);
      this.#private = new PrivateFolders(this.#folders);
      const stat = folder.stat();
      this.#entered.set("", identityOf(stat));
      if (newMode === undefined) this.#keep("", folder, stat);
      else this.#pending.set("", { as: "implied", mode: newMode });
    } catch (error) {
      throw fileError(error, root);
    }
  }

  /**
   * Creates a directory and the folders above it. `finish` sets its mode, time
   * and owner, since writing into the directory changes its time and requires
   * permission.
   *
   * @param path The path below the root.
   * @param metadata The mode, times, owner and extended attributes.
   * @param isNew Whether the directory must not exist yet. Default: `false`.
   * @throws {DeltarError} `io` if something exists at the path and `isNew` is
   * set, or the system refuses to create the directory; `unsafe` if the path is
   * invalid, for example because it leads out of the root, if it has a name
   * that this system cannot use, or if a file or link is in the place of a
   * folder; `limit` if the number of folders without an entry of their own
   * would exceed 4,096, plus 16 for each path that was passed to the writer.
   */
  directory(path: string, metadata: Metadata, isNew = false): void {
    this.#named++;
    if (path !== "") {
      checkPath(path);
      this.#enter(parentPath(path));
      if (isNew) this.#makeNew(path);
      else this.#enter(path, true);
    }
    const { mode, mtime, uid, gid, xattrs } = metadata;
    this.#pending.set(
      path,
      withBtime({ as: "wanted", mode, mtime, uid, gid, xattrs }, metadata),
    );
  }

  /**
   * Writes a file.
   *
   * @param path The path below the root.
   * @param source The content of the file.
   * @param metadata The mode, times, owner and extended attributes.
   * @param expected The size and SHA-256 that the content must have, and
   * whether it is in condensed form. By default, any content that is not in
   * condensed form is accepted.
   * @throws {DeltarError} `mismatch` if the content differs from `expected`;
   * `io` if the system refuses the file; and the errors of the source, of
   * `onReplace`, and of `directory` for the path. If the content differs or the
   * source fails, the path is unchanged.
   */
  async file(
    path: string,
    source: ByteSource,
    metadata: Metadata,
    expected?: ExpectedContent,
  ): Promise<void> {
    const folder = this.#place(path);
    const temporary = temporaryName();
    const { durable: told = false, flushes = false } = this.#options;
    const durable = typeof told === "function" ? told(path) : told;
    try {
      this.#step("write");
      const file = folder.createFile(temporary, NEW_FILE_MODE);
      try {
        const writing = writeInto(file, path, source, expected, flushes);
        const got = writing instanceof Promise ? await writing : writing;
        checkContent(path, got, expected);
        this.#setState(path, file, this.#withKept(path, metadata));
        if (durable) await this.#flush(file, got.size);
      } catch (error) {
        await shrink(file);
        throw error;
      } finally {
        file.close();
      }
      this.#options.onReplace?.(path);
      this.#step("rename");
      // The folder might have been closed while the file was written, so it is
      // opened again if necessary.
      const now = this.#folders.at(parentPath(path));
      now.rename(temporary, now, nameOf(path));
      setBtime(now, path, metadata);
    } catch (error) {
      this.#step("remove temporary");
      this.#discard(parentPath(path), temporary);
      throw pathError(error, path);
    }
  }

  /**
   * Creates a symlink. Its target is not checked.
   *
   * @param path The path below the root.
   * @param target The path that the link contains.
   * @param metadata The times, owner and extended attributes. The mode is not
   * set.
   * @throws {DeltarError} `io` if the system refuses the link, and the errors
   * of `onReplace`, and of `directory` for the path.
   */
  symlink(path: string, target: string, metadata: Metadata): void {
    this.#makeAside(path, "link", metadata, (stage, name) => {
      stage.makeSymlink(name, target);
      this.#setState(path, named(stage, name), metadata);
    });
  }

  /**
   * Makes an entry without content under a temporary name, and renames it into
   * place.
   *
   * @param path The path below the root.
   * @param what The name of the entry's kind, for `onStep`.
   * @param metadata The metadata of the entry. Only the creation time is used.
   * @param make Called with a folder and a temporary name. Creates the entry
   * under this name in the folder, and sets the entry's state.
   */
  #makeAside(
    path: string,
    what: string,
    metadata: Metadata,
    make: (stage: Folder, name: string) => void,
  ): void {
    const folder = this.#place(path);
    this.#attempt(path, () => {
      // The owner is set by name. In a private folder, other users cannot
      // replace the entry before its owner is set.
      const stage = this.#owned
        ? this.#private.beside(parentPath(path))
        : folder;
      const temporary = temporaryName();
      try {
        this.#step(`make ${what}`);
        make(stage, temporary);
        this.#options.onReplace?.(path);
        this.#step(`rename ${what}`);
        const now = this.#folders.at(parentPath(path));
        stage.rename(temporary, now, nameOf(path));
        setBtime(now, path, metadata);
      } catch (error) {
        this.#step("remove temporary");
        quietly(() => stage.unlink(temporary));
        throw error;
      }
    });
  }

  /**
   * Creates a named pipe or a device.
   *
   * @param path The path below the root.
   * @param kind The kind of the entry.
   * @param device The number of the device. Ignored for a named pipe.
   * @param metadata The mode, times, owner and extended attributes.
   * @throws {DeltarError} `io` if the system or the runtime cannot create the
   * named pipe or device, and the errors of `onReplace`, and of `directory` for
   * the path.
   */
  special(
    path: string,
    kind: SpecialKind,
    device: DeviceNumber | undefined,
    metadata: Metadata,
  ): void {
    this.#makeAside(path, "special file", metadata, (stage, name) => {
      stage.makeSpecial(name, kind, 0o600, device);
      this.#setState(path, named(stage, name, true), metadata);
    });
  }

  /**
   * Creates a hard link to an existing file, named pipe or device.
   *
   * @param path The path of the new hard link, below the root.
   * @param existing The path of the existing entry, below the root.
   * @throws {DeltarError} `unsafe` if no file, named pipe or device has the
   * path `existing`; `io` if the system refuses the link; and the errors of
   * `onReplace`, and of `directory` for both paths.
   */
  hardLink(path: string, existing: string): void {
    this.#place(existing);
    this.#place(path);
    this.#attempt(path, () => {
      const temporary = temporaryName();
      const from = this.#folders.at(parentPath(existing));
      const folder = this.#folders.at(parentPath(path));
      this.#step("make link");
      const there = from.statAt(nameOf(existing));
      if (there === undefined || !canHaveLinks(there.kind)) {
        throw new DeltarError(
          "unsafe",
          `cannot make a hard link to ${existing}: no file, named pipe or device has this path`,
          {
            path,
          },
        );
      }
      try {
        from.link(nameOf(existing), folder, temporary);
        this.#options.onReplace?.(path);
        this.#step("rename link");
        const now = this.#folders.at(parentPath(path));
        now.rename(temporary, now, nameOf(path));
      } finally {
        this.#step("remove temporary");
        // If the path is already a hard link to the same file, renaming changes
        // nothing (POSIX), and the temporary name remains.
        this.#discard(parentPath(path), temporary);
      }
    });
  }

  /**
   * Sets the mode, times, owner and extended attributes of an entry. If the
   * entry is a directory, `finish` sets them.
   *
   * @param path The path below the root.
   * @param metadata The mode, times, owner and extended attributes to set.
   * @param seen An earlier state of the entry. The entry must still be the same
   * one and have the same number of hard links. This is checked for a file,
   * except on Windows, and, if this process is root, for a named pipe or a
   * device. By default, any entry may be at the path.
   * @throws {DeltarError} `changed` if a different entry is at the path, or if
   * the number of the entry's hard links changed; `not-found` if the path does
   * not exist; `io` if the system refuses a change; and the errors of
   * `onReplace`, and of `directory` for the path.
   */
  touch(path: string, metadata: Metadata, seen?: FileStat): void {
    const folder = this.#place(path);
    this.#attempt(path, () => {
      const stat = folder.statAt(nameOf(path));
      if (stat === undefined) throw gone(path);
      if (stat.kind === "directory") return this.directory(path, metadata);
      this.#step("touch");
      this.#touch(path, folder, stat, metadata, seen ?? stat);
      setBtime(folder, path, metadata);
    });
  }

  /** Sets the state of an entry that is not a directory. */
  #touch(
    path: string,
    folder: Folder,
    stat: FileStat,
    metadata: Metadata,
    seen: FileStat,
  ): void {
    const name = nameOf(path);
    if (stat.kind === "symlink") {
      if (this.#owned) {
        return this.symlink(path, folder.readLink(name), metadata);
      }
      return this.#setState(path, named(folder, name), metadata);
    }
    if (isSpecialKind(stat.kind)) {
      if (this.#owned) return this.#touchSpecial(path, metadata, seen);
      return this.#setState(path, named(folder, name, true), metadata);
    }
    if (PLATFORM === "win32") {
      return this.#setState(path, named(folder, name, true), metadata);
    }
    if (!this.#owned && (stat.mode & 0o400) === 0) {
      folder.setMode(name, stat.mode | 0o400);
    }
    const file = folder.openFile(name);
    try {
      checkSeen(path, file.stat(), seen);
      this.#setState(path, file, metadata);
    } finally {
      file.close();
    }
  }

  /**
   * Sets the state of a named pipe or a device. The pipe or device is not
   * opened, so its owner can be set only by name. The owner is therefore set on
   * a temporary hard link in a folder that other users cannot enter, so that
   * they cannot replace the entry.
   */
  #touchSpecial(path: string, metadata: Metadata, seen: FileStat): void {
    const stage = this.#private.beside(parentPath(path));
    const temporary = temporaryName();
    this.#folders.at(parentPath(path)).link(nameOf(path), stage, temporary);
    try {
      const now = stage.statAt(temporary) ?? seen;
      checkSeen(path, { ...now, links: now.links - 1 }, seen);
      this.#setState(path, named(stage, temporary, true), metadata);
    } finally {
      this.#step("remove temporary");
      quietly(() => stage.unlink(temporary));
    }
  }

  /**
   * Deletes an entry. A directory must be empty.
   *
   * @param path The path below the root.
   * @throws {DeltarError} `not-found` if the path does not exist; `io` if the
   * system refuses the deletion; and the errors of `onReplace`, and of
   * `directory` for the path.
   */
  remove(path: string): void {
    this.#place(path);
    this.#attempt(path, () => {
      this.#options.onReplace?.(path);
      this.#step("remove");
      const folder = this.#folders.at(parentPath(path));
      const name = nameOf(path);
      const stat = folder.statAt(name);
      if (stat === undefined) throw gone(path);
      if (stat.kind === "directory") {
        this.#folders.forget(path);
        folder.removeFolder(name);
      } else folder.unlink(name);
    });
    this.#entered.delete(path);
    this.#pending.delete(path);
    this.#made.delete(path);
    this.#bare.delete(path);
  }

  /**
   * Moves a file that another writer wrote on the same file system to a path of
   * this writer.
   *
   * @param path The path below this writer's root.
   * @param from The other writer.
   * @param fromPath The path below the other writer's root.
   * @throws {DeltarError} `not-found` if the file does not exist; `io` if the
   * system refuses the move; and the errors of `directory` for both paths.
   */
  adopt(path: string, from: TreeWriter, fromPath: string): void {
    const folder = this.#place(path);
    const other = from.#place(fromPath);
    this.#attempt(path, () => {
      other.rename(nameOf(fromPath), folder, nameOf(path));
    });
  }

  /**
   * Changes the spelling of a name on a disk that treats both spellings as one
   * name.
   *
   * @param from The path in its current spelling.
   * @param path The path in its new spelling, in the same folder.
   * @throws {DeltarError} `not-found` if the entry does not exist; `io` if the
   * system refuses the new name; and the errors of `directory` for the path.
   */
  respell(from: string, path: string): void {
    const folder = this.#place(path);
    this.#attempt(path, () => {
      this.#step("respell");
      for (const at of [from, path]) this.#folders.forget(at);
      folder.rename(nameOf(from), folder, nameOf(path));
    });
  }

  /**
   * Returns the current state of the entry at a path, or `undefined` if the
   * path does not exist.
   *
   * @param path The path below the root.
   * @throws {DeltarError} `unsafe` if the path is invalid, for example because
   * it leads out of the root; `io` if the system refuses access.
   */
  at(path: string): FileStat | undefined {
    checkPath(path);
    try {
      const stat = this.#folders.at(parentPath(path)).statAt(nameOf(path));
      return stat && withJson(stat);
    } catch (error) {
      const code = codeOf(error);
      if (code === "ENOENT" || code === "ENOTDIR") return undefined;
      throw pathError(error, path);
    }
  }

  /**
   * Sets or restores the states of the directories, the deepest first, and
   * closes the writer.
   *
   * @param beforeRoot Called when everything except the root has its final
   * state. The callback may still change the root's content, for example by
   * deleting a journal.
   * @throws {DeltarError} `changed` if a directory was replaced; `io` if the
   * system refuses a change. If `onUnset` is given, an error is thrown only if
   * it affects every path, if the root was replaced, or if a root that the
   * writer created cannot get the default mode of a new folder.
   * @throws The errors of `beforeRoot`.
   */
  finish(beforeRoot?: () => void): void {
    let fault: DeltarError | undefined;
    const deepestFirst = [...this.#pending]
      .sort(([left], [right]) => comparePaths(right, left));
    const root = existing(this.#pending, "");
    this.#pending.clear();
    try {
      for (const [path, pending] of deepestFirst) {
        if (path === "") continue;
        this.#step("finish folder");
        try {
          this.#finishFolder(path, pending);
        } catch (error) {
          if (this.#options.onUnset === undefined || endsAll(error)) {
            fault ??= pathError(error, path);
          } else this.#options.onUnset(path, pathError(error, path));
        }
      }
      this.#private.close();
      // `beforeRoot` changes the root's time, so the root's state is set again
      // afterwards. If the process ends in between, the mode and owner of the
      // root are correct, and only its time is wrong. The state of a root
      // without write permission is set only after `beforeRoot`, which needs
      // this permission.
      if (beforeRoot !== undefined && root.mode & 0o200) {
        this.#step("finish folder");
        this.#attempt("", () => this.#finishFolder("", root));
      }
      beforeRoot?.();
      this.#step("finish folder");
      this.#attempt("", () => this.#finishFolder("", root));
    } finally {
      this.close();
    }
    if (fault !== undefined) throw fault;
  }

  /**
   * Deletes the folders that the writer created for its own use. Call this
   * method before the tree is flushed, so that the deletion is also flushed.
   */
  removePrivateFolders(): void {
    this.#private.close();
  }

  /**
   * Flushes the file systems that were written to. Returns `false` if the
   * system cannot flush a whole file system. In this case, the caller must
   * flush each file and folder.
   *
   * @throws {DeltarError} `io` if the disk did not accept the data or a folder
   * cannot be opened; `not-found` if a folder no longer exists.
   */
  async syncFileSystems(): Promise<boolean> {
    const done = new Set<bigint>();
    for (const [path, { device }] of this.#entered) {
      if (done.has(device)) continue;
      done.add(device);
      const folder = this.#attempt(path, () => this.#folders.at(path));
      try {
        if (!await folder.syncFileSystem()) return false;
      } catch (error) {
        throw this.#errorAt(path, error);
      }
    }
    return true;
  }

  /**
   * Flushes a file or folder with a path of any length. A path that no longer
   * exists or cannot be opened is ignored.
   *
   * @param path The path below the root.
   * @throws {DeltarError} `io` if the disk did not accept the data.
   */
  async sync(path: string): Promise<void> {
    try {
      if (path === "") return await this.#folders.root.sync();
      const above = this.#folders.at(parentPath(path));
      const kind = above.statAt(nameOf(path))?.kind;
      if (kind === "directory") return await this.#folders.at(path).sync();
      if (kind !== "file") return;
      const file = above.openFile(nameOf(path));
      try {
        await file.flush();
      } finally {
        file.close();
      }
    } catch (error) {
      if (!isPassedOver(error)) throw this.#errorAt(path, error);
    }
  }

  /**
   * Closes all folders, and deletes those that the writer created for its own
   * use. Temporary files are not deleted.
   */
  close(): void {
    this.#private.close();
    this.#folders.close();
  }

  #finishFolder(path: string, pending: Pending): void {
    const folder = this.#folders.at(path);
    const entered = this.#entered.get(path);
    if (entered === undefined || !isSameFile(entered, folder.identity())) {
      throw new DeltarError(
        "changed",
        "the folder was replaced by another folder; the mode, time and owner " +
          "of the new folder were not set",
        { path },
      );
    }
    if (pending.as === "implied") {
      // Some file systems refuse to set any mode, even the mode that they
      // report.
      if (folder.stat().mode !== pending.mode) folder.setOwnMode(pending.mode);
      return;
    }
    if (pending.as === "wanted") {
      const isGiven = this.#owns(path, pending.uid, pending.gid);
      this.#setState(path, {
        stat: () => folder.stat(),
        setOwner: (uid, gid) => {
          if (!isGiven) folder.setOwnOwner(uid, gid);
        },
        setMode: (mode) => folder.setOwnMode(mode),
        setTimes: (mtime) => folder.setOwnTimes(mtime),
        xattrs: () => {
          const isDone = this.#bare.has(path) && !hasXattrs(pending.xattrs);
          return isDone ? undefined : folder.ownXattrs?.();
        },
      }, pending);
      const { btime } = pending;
      if (btime !== undefined) quietly(() => folder.setOwnBtime?.(btime));
      return;
    }
    // No caller requested a state for this folder, and the folder might belong
    // to another user. Errors are therefore ignored.
    if (pending.opened) quietly(() => folder.setOwnMode(pending.mode));
    quietly(() => folder.setOwnTimes(pending.mtime));
  }

  /**
   * Returns the folder that contains a path, and creates the folder if it does
   * not exist.
   */
  #place(path: string): Folder {
    this.#named++;
    checkPath(path);
    checkName(path);
    const folder = parentPath(path);
    this.#enter(folder);
    return this.#attempt(path, () => this.#folders.at(folder));
  }

  /**
   * Opens a folder and the folders above it, and creates those that do not
   * exist.
   *
   * @param path The path of the folder.
   * @param isWanted Whether the folder has an entry of its own. `finish` then
   * sets the state in this entry.
   * @throws {DeltarError} The errors of `directory`.
   */
  #enter(path: string, isWanted = false): void {
    if (this.#entered.has(path)) return;
    const ends: number[] = [];
    for (let at = path.indexOf("/"); at >= 0; at = path.indexOf("/", at + 1)) {
      ends.push(at);
    }
    ends.push(path.length);
    // If a folder is in `#entered`, the folders above it are there, too. A
    // binary search therefore finds the deepest folder of the path that is in
    // `#entered`.
    let known = -1;
    let next = ends.length - 1;
    while (next - known > 1) {
      const middle = known + next >>> 1;
      if (this.#entered.has(path.slice(0, ends[middle]))) known = middle;
      else next = middle;
    }
    for (let at = next; at < ends.length; at++) {
      const fault = nameFault(
        path.slice(at === 0 ? 0 : ends[at - 1] + 1, ends[at]),
        PLATFORM,
        canUseRawNames(),
      );
      if (fault === undefined) continue;
      const folder = path.slice(0, ends[at]);
      throw new DeltarError("unsafe", fault, { path: folder });
    }
    for (let at = next; at < ends.length; at++) {
      const folder = path.slice(0, ends[at]);
      const isLast = at === ends.length - 1;
      this.#attempt(folder, () => this.#enterOne(folder, isWanted && isLast));
    }
  }

  #enterOne(path: string, isWanted: boolean): void {
    const above = this.#folders.at(parentPath(path));
    const there = above.statAt(nameOf(path));
    if (there === undefined) return this.#make(path, above, isWanted);
    if (there.kind !== "directory") {
      throw new DeltarError(
        "unsafe",
        "a file or link is in the place of a folder",
        { path },
      );
    }
    if (!this.#owned && (there.mode & 0o700) !== 0o700) {
      quietly(() => above.setMode(nameOf(path), there.mode | 0o700));
    }
    const folder = this.#folders.at(path);
    this.#entered.set(path, folder.identity());
    this.#keep(path, folder, there);
  }

  /** Creates a folder that must not exist yet. */
  #makeNew(path: string): void {
    checkName(path);
    this.#attempt(path, () => {
      const above = this.#folders.at(parentPath(path));
      // `#folders` might still have an open folder that was at the path before.
      // If other users have no access to the folder above, this is possible
      // only if the path is in `#entered`.
      const isUnknown = this.#made.has(parentPath(path)) &&
        !this.#entered.has(path);
      if (!isUnknown) this.#folders.forget(path);
      this.#make(path, above, true);
    });
  }

  #make(path: string, above: Folder, isWanted: boolean): void {
    if (!isWanted) this.#imply(path);
    this.#step("make folder");
    above.makeFolder(nameOf(path), isWanted ? 0o700 : 0o777);
    const folder = this.#folders.at(path);
    const stat = folder.stat();
    if (this.#owned) this.#private.checkOwn(stat, folder.place);
    if (!this.#passesAclOn(parentPath(path), above)) this.#bare.add(path);
    this.#entered.set(path, identityOf(stat));
    if (isWanted) {
      const isOwn = stat.uid === this.#user && stat.gid === this.#group;
      if (isOwn) this.#made.add(path);
      return;
    }
    this.#pending.set(path, { as: "implied", mode: stat.mode });
    closeToOthers(folder, stat.mode);
  }

  /**
   * Returns whether this writer created a folder, and the folder and new files
   * in it already have this owner and group.
   */
  #owns(path: string, uid: number, gid: number): boolean {
    return uid === this.#user && gid === this.#group && this.#made.has(path);
  }

  /** Returns whether new entries in a folder inherit an ACL from it. */
  #passesAclOn(path: string, folder: Folder): boolean {
    if (this.#bare.has(path) || !canUseXattrs()) return false;
    let passesOn = this.#aclFolders.get(folder);
    if (passesOn === undefined) {
      const access = folder.ownXattrs?.();
      passesOn = access !== undefined && hasDefaultAcl(access);
      this.#aclFolders.set(folder, passesOn);
    }
    return passesOn;
  }

  /**
   * Counts a folder without an entry, and refuses to create too many such
   * folders. A few hundred deep paths could require a very large number of
   * folders, each of which takes time and a block of the disk.
   */
  #imply(path: string): void {
    const most = MIN_IMPLIED_FOLDERS + IMPLIED_FOLDERS_PER_PATH * this.#named;
    if (this.#implied >= most) {
      throw new DeltarError(
        "limit",
        `too many folders without an entry of their own: at most ${most}`,
        { path },
      );
    }
    this.#implied++;
  }

  /**
   * Records the state of an existing folder, so that the state can be restored
   * after writing. If necessary, gives this user access to the root.
   */
  #keep(path: string, folder: Folder, stat: FileStat): void {
    const opened = !this.#owned && (stat.mode & 0o700) !== 0o700;
    if (opened && path === "") {
      quietly(() => folder.setOwnMode(stat.mode | 0o700));
    }
    const { mode, mtime, uid, gid } = stat;
    this.#pending.set(path, { as: "kept", opened, mode, mtime, uid, gid });
  }

  /**
   * Returns the metadata that a file gets. If the extended attributes were not
   * read for the snapshot, the file gets those of the file that it replaces,
   * except those of the namespace `security`, which can give rights to a
   * program. The file gets none of them if the replaced file has a different
   * owner, because an ACL can give that owner access.
   */
  #withKept(path: string, metadata: Metadata): Metadata {
    if (metadata.xattrs !== undefined || !canUseXattrs()) return metadata;
    let file: OpenFile | undefined;
    try {
      const folder = this.#folders.at(parentPath(path));
      if (folder.statAt(nameOf(path))?.kind !== "file") return metadata;
      file = folder.openUnseen(nameOf(path));
      const { kind, uid } = file.stat();
      const owner = this.#owned ? metadata.uid : ownIds().uid;
      const access = kind === "file" && uid === owner
        ? file.xattrs?.()
        : undefined;
      const present = access && readXattrs(access);
      if (!hasXattrs(present)) return metadata;
      const xattrs = selectXattrs(present, (one) => !/^security\./.test(one));
      return { ...metadata, xattrs };
    } catch (error) {
      if (endsAll(error)) throw error;
      return metadata;
    } finally {
      file?.close();
    }
  }

  /**
   * Sets the owner, time, extended attributes and mode of an entry, as far as
   * possible. Reports the rest to `onUnset` or `onUnsetXattrs`.
   */
  #setState(path: string, target: StateSetter, metadata: Metadata): void {
    if (!this.#keepsState) return this.#setAndCheck(path, target, metadata);
    let lost: Unset | undefined;
    try {
      // Changing the owner clears the set-user-ID bit and the capabilities of a
      // program, so both are set after the owner. An ACL changes the mode, so
      // the mode is set after the ACL. Wine clears the DOS attributes of a
      // file, such as "read-only", when the time of the file is set, so the
      // time is set before the mode.
      if (this.#owned) target.setOwner(metadata.uid, metadata.gid);
      target.setTimes(metadata.mtime);
      lost = this.#setXattrs(target, metadata.xattrs);
      target.setMode?.(metadata.mode);
    } catch (error) {
      if (endsAll(error)) throw error;
      return this.#setPossible(path, target, metadata);
    }
    if (lost !== undefined) this.#reportXattrs(path, lost);
  }

  /**
   * Sets the state of an entry, and sets `#keepsState` if the entry shows that
   * the file system keeps modes and times.
   */
  #setAndCheck(path: string, target: StateSetter, metadata: Metadata): void {
    const { mode, mtime } = metadata;
    const before = target.stat();
    this.#setPossible(path, target, metadata);
    const after = target.stat();
    // A file system that makes up modes does not report a mode that was set. It
    // usually does not report `NEW_FILE_MODE` either.
    this.#keepsState = before !== undefined && after !== undefined &&
      target.setMode !== undefined && after.mode === mode &&
      (before.mode !== mode || mode === NEW_FILE_MODE) &&
      !isKeptTime(before.mtime, mtime) && isKeptTime(after.mtime, mtime);
  }

  /**
   * Sets extended attributes. Returns those that could not be set; `undefined`
   * if all were set. Does nothing if `xattrs` is `undefined` or the runtime has
   * no calls for extended attributes.
   */
  #setXattrs(
    target: StateSetter,
    xattrs: Xattrs | undefined,
  ): Unset | undefined {
    if (xattrs === undefined || !canUseXattrs()) return undefined;
    const access = target.xattrs?.();
    if (access === undefined) return undefined;
    try {
      const changes = xattrChanges(
        access,
        xattrs,
        this.#options.selectsXattr,
      );
      const { set, remove } = changes;
      if (set.length + remove.length === 0) return undefined;
      if (!this.#owned && target.setMode !== undefined) {
        // Only root can set attributes of an entry without write permission.
        // The entry gets its final mode afterwards.
        const { mode } = target.stat() ?? { mode: 0o600 };
        if ((mode & 0o200) === 0) target.setMode(mode | 0o200);
      }
      const failed = changeXattrs(access, changes);
      if (failed.length === 0) return undefined;
      const names = failed.map(({ name }) => name).join(", ");
      const what = `extended attribute${failed.length === 1 ? "" : "s"}`;
      return { what: `${what} ${names}`, cause: failed[0].error };
    } catch (cause) {
      if (endsAll(cause)) throw cause;
      return { what: "extended attributes", cause };
    }
  }

  #reportXattrs(path: string, lost: Unset): void {
    const { onUnset, onUnsetXattrs = onUnset } = this.#options;
    const error = unsetError(path, [lost.what], lost.cause);
    if (onUnsetXattrs === undefined) throw error;
    onUnsetXattrs(path, error);
  }

  /**
   * Sets the owner, time, extended attributes and mode of an entry one by one,
   * and reports those that could not be set.
   */
  #setPossible(path: string, target: StateSetter, metadata: Metadata): void {
    const { mode, mtime, uid, gid } = metadata;
    const unset: string[] = [];
    let cause: unknown;
    const set = (
      what: string,
      work: () => void,
      isSo: (stat: FileStat) => boolean,
    ) => {
      let why: unknown;
      try {
        work();
        if (this.#keepsState) return;
        why = new Error("the file system does not keep the new value");
      } catch (error) {
        if (endsAll(error)) throw error;
        why = error;
      }
      // A file system that cannot store owners or modes reports fixed values.
      // If these are the requested values, nothing is missing.
      const stat = target.stat();
      if (stat !== undefined && isSo(stat)) return;
      unset.push(what);
      cause ??= why;
    };
    if (this.#owned) {
      set(
        "owner",
        () => target.setOwner(uid, gid),
        (stat) => stat.uid === uid && stat.gid === gid,
      );
    }
    // If the owner could not be set, the set-user-ID and set-group-ID bits are
    // not set either. With these bits, a program would run with the rights of
    // the file's current owner.
    const given = unset.length === 0 ? mode : mode & ~SET_ID;
    set(
      "time",
      () => target.setTimes(mtime),
      (stat) => isKeptTime(stat.mtime, mtime),
    );
    const lost = this.#setXattrs(target, metadata.xattrs);
    if (target.setMode) {
      set("mode", () => target.setMode?.(given), (stat) => stat.mode === given);
    }
    if (cause === undefined) {
      if (lost !== undefined) this.#reportXattrs(path, lost);
      return;
    }
    if (lost !== undefined) unset.push(lost.what);
    if (given !== mode) unset.push("set-user-ID or set-group-ID bit");
    const error = unsetError(path, unset, cause);
    if (this.#options.onUnset === undefined) throw error;
    this.#options.onUnset(path, error);
  }

  /**
   * Flushes a file. Small files are flushed synchronously until a flush takes
   * longer than `MAX_FLUSH_MS`. If the disk is fast, for example because it is
   * in memory, waiting for another thread would take longer than flushing.
   *
   * @param file The open file.
   * @param size The size of the file in bytes.
   */
  async #flush(file: OpenFile, size: number): Promise<void> {
    if (size > MAX_WHOLE_BYTES || this.#waitsForDisk) return await file.flush();
    const begun = performance.now();
    file.sync();
    this.#waitsForDisk = performance.now() - begun > MAX_FLUSH_MS;
  }

  #discard(folder: string, name: string): void {
    quietly(() => this.#folders.at(folder).unlink(name));
  }

  #step(step: string): void {
    this.#options.onStep?.(step);
  }

  #attempt<Result>(path: string, work: () => Result): Result {
    try {
      return work();
    } catch (error) {
      throw this.#errorAt(path, error);
    }
  }

  #errorAt(path: string, error: unknown): DeltarError {
    return path === "" ? fileError(error, this.root) : pathError(error, path);
  }
}

/**
 * Writes the content of a new file, and returns its size and checksum. The
 * checksum can be an empty string if `expected` is `undefined`. A single array
 * that is not in condensed form is written before the function returns.
 */
function writeInto(
  file: OpenFile,
  path: string,
  source: ByteSource,
  expected: ExpectedContent | undefined,
  flushes: boolean,
): ExpectedContent | Promise<ExpectedContent> {
  const sparse = expected?.sparse;
  if (expected !== undefined && sparse !== undefined) {
    const form = { size: expected.size, sparse, path };
    return writeSparse(file, source, form, flushes);
  }
  if (source instanceof Uint8Array) return writeWhole(file, source, expected);
  if (source instanceof SparseSource && expected === undefined) {
    const { data, size } = source;
    return writeData(file, data, size, flushes)
      .then(() => ({ size, sha256: "" }));
  }
  return writePieces(file, source, flushes, expected);
}

const SET_ID = 0o6000;

/**
 * The duration of a synchronous flush, in milliseconds, above which further
 * files are flushed on another thread.
 */
const MAX_FLUSH_MS = 0.5;

/** The number of bytes by which a file is truncated at a time. */
const SHRINK_BYTES = 1 << 22;

/**
 * Returns whether this process runs as root, and can therefore change the owner
 * of files. Returns `false` on Windows.
 */
export function ownerMatters(): boolean {
  return process.getuid?.() === 0;
}

/**
 * Truncates a file that is about to be deleted, step by step, and yields to the
 * event loop in between. Deleting a large file that was just written can take a
 * long time, during which the event loop would be blocked.
 */
async function shrink(file: OpenFile): Promise<void> {
  try {
    for (
      let { size } = file.stat();
      size > SHRINK_BYTES;
      size -= SHRINK_BYTES
    ) {
      file.truncate(size - SHRINK_BYTES);
      const turn = turnIfDue();
      if (turn !== undefined) await turn;
    }
  } catch {
    // The file is deleted in any case.
  }
}

/**
 * Sets the creation time of an entry, if it is known and the system can set it.
 * The time is set after the entry was renamed into place, because Windows gives
 * a new file the creation time of the file that it replaces.
 */
function setBtime(folder: Folder, path: string, metadata: Metadata): void {
  const { btime } = metadata;
  if (btime === undefined) return;
  quietly(() => folder.setBtime?.(nameOf(path), btime));
}

/**
 * Throws `changed` if an entry is not the entry that was seen at the path, or
 * if the number of its hard links has changed since then.
 */
function checkSeen(path: string, now: FileStat, seen: FileStat): void {
  if (isSameFile(now, seen) && now.links === seen.links) return;
  throw new DeltarError(
    "changed",
    "another process replaced the entry or changed its number of hard links; try again",
    { path },
  );
}

/**
 * Throws `unsafe` if this system would refuse, change or misread the last name
 * of a path.
 */
function checkName(path: string): void {
  const fault = nameFault(nameOf(path), PLATFORM, canUseRawNames());
  if (fault !== undefined) throw new DeltarError("unsafe", fault, { path });
}

/**
 * Returns the methods that read and set the state of an entry by its name.
 * `hasMode` says whether `setMode` is one of them.
 */
function named(folder: Folder, name: string, hasMode = false): StateSetter {
  return {
    stat: () => folder.statAt(name),
    setOwner: (uid, gid) => folder.setOwner(name, uid, gid),
    ...hasMode && { setMode: (mode: number) => folder.setMode(name, mode) },
    setTimes: (mtime) => folder.setTimes(name, mtime),
    xattrs: () => folder.xattrsAt?.(name),
  };
}

/** The parts of an entry's state that could not be set, and the first error. */
interface Unset {
  what: string;
  cause: unknown;
}

/**
 * Returns the error that names the parts of an entry's state that could not be
 * set.
 */
function unsetError(
  path: string,
  unset: readonly string[],
  cause: unknown,
): DeltarError {
  const words = errorMessage(cause).replace(/, [a-z]+ '[^]*$/, "");
  return new DeltarError(
    "io",
    `cannot set the ${unset.join(" and ")}: ${words}`,
    { path, cause },
  );
}

function identityOf({ device, inode }: Identity): Identity {
  return { device, inode };
}

function gone(path: string): DeltarError {
  return new DeltarError("not-found", "no such file or folder", { path });
}

/**
 * Makes a change that is not essential, such as deleting a temporary file.
 * Ignores an error, unless the error affects every path.
 */
function quietly(work: () => void): void {
  try {
    work();
  } catch (error) {
    if (endsAll(error)) throw error;
  }
}
