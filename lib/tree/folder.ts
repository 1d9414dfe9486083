import type { FileStat, Identity } from "./statx.ts";

/**
 * Called with each entry of a folder, in the system's order. The arguments are
 * valid until it returns.
 *
 * @param bytes Holds the name, in UTF-8 if it is text.
 * @param start The name's first byte.
 * @param end The byte after its last.
 * @param stat Its `struct statx`; `undefined` if it vanished or the system
 * refuses to tell.
 * @returns Whether to go on.
 */
export type FolderVisitor = (
  bytes: Uint8Array,
  start: number,
  end: number,
  stat: Uint32Array | undefined,
) => boolean;

/**
 * An open folder. All that is in it is reached by its name from here, so what
 * others rename or replace on the way to the folder makes no difference, and
 * no symlink is ever followed.
 *
 * A name is one segment: the empty name, `.`, `..`, and a name with a `/` or a
 * NUL are refused with `EINVAL`. Errors have the `code` that `node:fs` gives
 * them (`ENOENT`, `EACCES`), the same on every system, and `path`.
 */
export interface Folder {
  /** The path it was opened by, for messages. */
  readonly place: string;
  /** Returns its own state. */
  stat(): FileStat;
  /** Returns what tells it from all other folders. */
  identity(): Identity;
  /**
   * Returns whether it is the folder of this identity. Once it was listed, most
   * often no system call is needed.
   */
  is(identity: Identity): boolean;
  /** Returns the state of an entry, or `undefined` if it is absent. */
  statAt(name: string): FileStat | undefined;
  /**
   * Lists the folder with the state of each entry.
   *
   * @param visit Called with each entry; must not use a folder itself.
   * @returns Whether `visit` let it come to its end.
   */
  visit(visit: FolderVisitor): boolean;
  /** Returns its names, in the system's order. */
  names(): string[];
  /**
   * Opens a folder in it. A folder that may be entered but not listed opens,
   * and fails when it is listed.
   *
   * @throws `ENOTDIR` if it is anything else, also a symlink to a folder.
   */
  openFolder(name: string): Folder;
  /**
   * Opens a file for reading.
   *
   * @throws `ELOOP` if it is a symlink, `EISDIR` if it is a folder, `ENXIO` if
   * it is a pipe, socket or device. None of them is waited for.
   */
  openFile(name: string): OpenFile;
  /**
   * Opens a file for reading, and saves to look what it is: the caller has to
   * look at `stat().kind` before it uses what it reads. A pipe is not waited
   * for.
   *
   * @throws `ELOOP` if it is a symlink; where only paths can be used, the same
   * as `openFile`.
   */
  openUnseen(name: string): OpenFile;
  /**
   * Creates a file and opens it for writing and reading.
   *
   * @param mode Its permission bits, less the umask.
   * @throws `EEXIST` if anything has the name.
   */
  createFile(name: string, mode: number): OpenFile;
  /** Makes a folder; its mode is less the umask. */
  makeFolder(name: string, mode: number): void;
  /** Makes a symlink with this text. */
  makeSymlink(name: string, target: string): void;
  /**
   * Returns a symlink's text.
   *
   * @throws `EILSEQ` if it is not valid UTF-8.
   */
  readLink(name: string): string;
  /** Makes another name of a file or symlink, in this folder or another. */
  link(name: string, to: Folder, newName: string): void;
  /** Moves an entry; what has the new name is replaced. */
  rename(name: string, to: Folder, newName: string): void;
  /** Removes a name of anything but a folder. */
  unlink(name: string): void;
  /** Removes an empty folder. */
  removeFolder(name: string): void;
  /** Sets the owner of an entry, of a symlink itself. */
  setOwner(name: string, uid: number, gid: number): void;
  /**
   * Sets the permission bits of an entry.
   *
   * @throws `ENOTSUP` if it is a symlink.
   */
  setMode(name: string, mode: number): void;
  /** Sets access and modification time of an entry, of a symlink itself. */
  setTimes(name: string, mtime: bigint): void;
  /** Sets its own owner. */
  setOwnOwner(uid: number, gid: number): void;
  /** Sets its own permission bits. */
  setOwnMode(mode: number): void;
  /** Sets its own access and modification time. */
  setOwnTimes(mtime: bigint): void;
  /**
   * Flushes its names to the disk, where a system can, while the event loop goes
   * on.
   */
  sync(): Promise<void>;
  /**
   * Flushes its whole file system while the event loop goes on; returns `false`
   * where a system cannot.
   */
  syncFileSystem(): Promise<boolean>;
  /** Closes it. Closing twice does nothing. */
  close(): void;
}

/** An open regular file. */
export interface OpenFile {
  /** The path it was opened by, for messages. */
  readonly place: string;
  /** Returns its state. */
  stat(): FileStat;
  /**
   * Reads into `buffer`, which may get less than it holds.
   *
   * @param offset Where to begin, in bytes.
   * @returns The number of bytes read; 0 at the end of the file.
   */
  read(buffer: Uint8Array, offset: number): number;
  /** Writes all of `bytes` at an offset in bytes. */
  write(bytes: Uint8Array, offset: number): void;
  /** Sets its length in bytes. */
  truncate(size: number): void;
  /** Sets its owner. */
  setOwner(uid: number, gid: number): void;
  /** Sets its permission bits. */
  setMode(mode: number): void;
  /** Sets its access and modification time. */
  setTimes(mtime: bigint): void;
  /** Flushes it to the disk. */
  sync(): void;
  /** Flushes it to the disk while the event loop goes on. */
  flush(): Promise<void>;
  /** Closes it. Closing twice does nothing. */
  close(): void;
}

/** Returns whether two states are of one file or folder. */
export function isSameFile(left: Identity, right: Identity): boolean {
  return left.inode === right.inode && left.device === right.device;
}

/** Returns whether a name is one segment of a path. */
export function isName(name: string): boolean {
  return name !== "" && name !== "." && name !== ".." &&
    !name.includes("/") && !name.includes("\0");
}

/**
 * Returns whether these are numbers of an owner and a group. A system call
 * would take 4294967296 for 0, the superuser, and 4294967295 for "unchanged".
 */
export function isOwner(uid: number, gid: number): boolean {
  const isNumber = (id: number) =>
    Number.isInteger(id) && id >= 0 && id < 0xffff_ffff;
  return isNumber(uid) && isNumber(gid);
}

/** The code of the error for what is not a file; `undefined` for a file. */
export function codeOfKind(kind: FileStat["kind"]): string | undefined {
  switch (kind) {
    case "file":
      return undefined;
    case "symlink":
      return "ELOOP";
    case "directory":
      return "EISDIR";
    case "special":
      return "ENXIO";
  }
}
