import type { DeviceNumber, SpecialKind } from "./entry.ts";
import type { FileStat, Identity } from "./statx.ts";
import type { XattrAccess } from "./xattrs.ts";

/**
 * Called with each entry of a folder, in the system's order. The arguments are
 * valid until the visitor returns.
 *
 * @param bytes The buffer that contains the bytes of the name, which can be
 * invalid UTF-8.
 * @param start The offset of the name's first byte.
 * @param end The offset after the name's last byte.
 * @param stat The entry's `struct statx`; `undefined` if the entry has vanished
 * or the system refuses to return its state.
 * @returns Whether to continue.
 */
export type FolderVisitor = (
  bytes: Uint8Array,
  start: number,
  end: number,
  stat: Uint32Array | undefined,
) => boolean;

/**
 * An open folder. Entries are reached by their names relative to this folder,
 * and no symlink is followed. If the folder is moved or replaced later, its
 * entries can still be reached. Where folders can be reached only by paths,
 * changes to a folder that was moved or replaced fail with `ENOENT` instead.
 *
 * A name is one segment. A name that is not valid UTF-8 has the form that
 * `decodeName` returns. If the runtime has no calls for such names, methods
 * refuse these names with `EILSEQ`, and listings have U+FFFD in place of the
 * invalid bytes. The empty name, `.`, `..`, and names with a `/` or a NUL are
 * refused with `EINVAL`. Errors have a `path` and, on every system, a `code` as
 * in `node:fs`, such as `ENOENT`.
 */
export interface Folder {
  /** The path by which the folder was opened, for messages. */
  readonly place: string;
  /** Returns the state of the folder itself. */
  stat(): FileStat;
  /** Returns the folder's device and inode, which together identify it. */
  identity(): Identity;
  /**
   * Returns whether the folder has this device and inode. If folders are
   * reached by system calls and this folder was listed, the check usually needs
   * no further system call.
   */
  is(identity: Identity): boolean;
  /** Returns the state of an entry, or `undefined` if it is absent. */
  statAt(name: string): FileStat | undefined;
  /**
   * Lists the folder with the state of each entry.
   *
   * @param visit Called with each entry. The visitor must not call a method of
   * a folder, since folders share their buffers.
   * @returns Whether all entries were visited.
   */
  visit(visit: FolderVisitor): boolean;
  /** Returns the names in the folder, in the system's order. */
  names(): string[];
  /**
   * Opens a folder inside this one. A folder that this process may not list can
   * be opened if the process may enter it.
   *
   * @throws `ENOTDIR` if the entry is not a folder, or is a symlink to a
   * folder.
   */
  openFolder(name: string): Folder;
  /**
   * Opens a file for reading.
   *
   * @throws `ELOOP` for a symlink, `EISDIR` for a folder, `ENXIO` for a pipe,
   * socket or device. The call never blocks on any of these.
   */
  openFile(name: string): OpenFile;
  /**
   * Opens a file for reading without checking its kind first. The caller must
   * check `stat().kind` before it uses the bytes. Opening a pipe does not
   * block.
   *
   * @throws `ELOOP` for a symlink; on systems where only paths can be used, all
   * errors of `openFile`.
   */
  openUnseen(name: string): OpenFile;
  /**
   * Creates a file and opens it for writing and reading.
   *
   * @param name The name of the file.
   * @param mode The permission bits before the umask is applied.
   * @throws `EEXIST` if the name exists.
   */
  createFile(name: string, mode: number): OpenFile;
  /**
   * Creates a folder. `mode` has the permission bits before the umask is
   * applied.
   */
  makeFolder(name: string, mode: number): void;
  /** Creates a symlink to `target`. */
  makeSymlink(name: string, target: string): void;
  /**
   * Creates a named pipe or a device, without opening it.
   *
   * @param name The name of the entry.
   * @param kind The kind of the entry: a named pipe or a kind of device.
   * @param mode The permission bits before the umask is applied.
   * @param device The number of the device. Ignored for a pipe.
   * @throws `EEXIST` if the name exists, `EPERM` if this process may not create
   * devices, `EINVAL` if the system has no such device number, `ENOSYS` if the
   * runtime has no call that creates pipes and devices.
   */
  makeSpecial(
    name: string,
    kind: SpecialKind,
    mode: number,
    device: DeviceNumber | undefined,
  ): void;
  /**
   * Returns the target of a symlink.
   *
   * @throws `EINVAL` if the entry is not a symlink, `EILSEQ` if the target is
   * not valid UTF-8 and the runtime has no call that returns its bytes.
   */
  readLink(name: string): string;
  /**
   * Creates a hard link to an entry in this folder. The entry must not be a
   * folder. The link has the name `newName` in the folder `to`, which may be
   * this folder.
   */
  link(name: string, to: Folder, newName: string): void;
  /**
   * Moves an entry to the folder `to` under the name `newName`, and replaces an
   * entry that already has this name there. `to` may be this folder.
   */
  rename(name: string, to: Folder, newName: string): void;
  /** Deletes the name of an entry that is not a folder. */
  unlink(name: string): void;
  /** Deletes an empty folder. */
  removeFolder(name: string): void;
  /** Sets the owner of an entry. A symlink is not followed. */
  setOwner(name: string, uid: number, gid: number): void;
  /**
   * Sets the permission bits of an entry.
   *
   * @throws `ENOTSUP` for a symlink.
   */
  setMode(name: string, mode: number): void;
  /**
   * Sets the access and modification times of an entry to `mtime`, in
   * nanoseconds since 1970. A symlink is not followed.
   */
  setTimes(name: string, mtime: bigint): void;
  /**
   * Returns whether a file is a placeholder, whose content is only in the
   * cloud. The file is not opened. The method is absent where folders are
   * accessed by Linux system calls.
   */
  isPlaceholder?(name: string): boolean;
  /**
   * Sets the creation time of an entry, in nanoseconds since 1970, if the
   * system and the runtime can do so. A symlink is not followed. The method is
   * absent where folders are accessed by Linux system calls.
   */
  setBtime?(name: string, btime: bigint): void;
  /** Sets the creation time of the folder itself. See `setBtime`. */
  setOwnBtime?(btime: bigint): void;
  /**
   * Returns access to the extended attributes of an entry. A symlink is not
   * followed. The access is valid while the folder is open. The method is
   * absent, or returns `undefined`, if the runtime has no calls for extended
   * attributes.
   */
  xattrsAt?(name: string): XattrAccess | undefined;
  /**
   * Returns access to the extended attributes of the folder itself. See
   * `xattrsAt`.
   */
  ownXattrs?(): XattrAccess | undefined;
  /** Sets the owner of the folder itself. */
  setOwnOwner(uid: number, gid: number): void;
  /** Sets the permission bits of the folder itself. */
  setOwnMode(mode: number): void;
  /**
   * Sets the access and modification times of the folder itself to `mtime`, in
   * nanoseconds since 1970.
   */
  setOwnTimes(mtime: bigint): void;
  /**
   * Flushes the names in the folder to the disk, if the system can do so. The
   * method does not block the event loop if the runtime can make the call on
   * another thread.
   */
  sync(): Promise<void>;
  /**
   * Flushes the whole file system to the disk. Returns `false` if the system or
   * the runtime cannot do so. The method does not block the event loop if the
   * runtime can make the call on another thread.
   */
  syncFileSystem(): Promise<boolean>;
  /**
   * Returns the folder's descriptor for system calls in another thread, and
   * keeps the descriptor open until `release` is called, even if the folder is
   * closed. The method is absent where folders are not reached by system calls.
   */
  hold?(): number;
  /** Undoes one call of `hold`. */
  release?(): void;
  /** Closes the folder. A second call does nothing. */
  close(): void;
}

/**
 * An open file. Only a file that `openUnseen` opened can be something other
 * than a regular file.
 */
export interface OpenFile {
  /** The path by which the file was opened, for messages. */
  readonly place: string;
  /** Returns the state of the file. */
  stat(): FileStat;
  /**
   * Reads into `buffer`. A call can read fewer bytes than fit into `buffer`.
   *
   * @param buffer The buffer to fill.
   * @param offset The offset in the file, in bytes.
   * @returns The number of bytes read; 0 at the end of the file.
   */
  read(buffer: Uint8Array, offset: number): number;
  /**
   * Returns the next range with data at or after an offset in bytes, or
   * `undefined` if there is no such range. `start` is the offset of the first
   * byte of the range, and `end` is the offset after its last byte. Where the
   * system does not report holes, the rest of the file counts as data, and
   * `end` is `Infinity`.
   */
  nextData(offset: number): { start: number; end: number } | undefined;
  /** Writes all of `bytes` at an offset in bytes. */
  write(bytes: Uint8Array, offset: number): void;
  /** Sets the length in bytes. */
  truncate(size: number): void;
  /** Sets the owner. */
  setOwner(uid: number, gid: number): void;
  /** Sets the permission bits. */
  setMode(mode: number): void;
  /**
   * Sets the access and modification times to `mtime`, in nanoseconds since
   * 1970.
   */
  setTimes(mtime: bigint): void;
  /**
   * Returns access to the extended attributes. The access is valid while the
   * file is open. The method is absent, or returns `undefined`, if the runtime
   * has no calls for extended attributes.
   */
  xattrs?(): XattrAccess | undefined;
  /** Flushes the file to the disk. */
  sync(): void;
  /**
   * Flushes the file to the disk. The method does not block the event loop if
   * the runtime can make the call on another thread.
   */
  flush(): Promise<void>;
  /** Closes the file. A second call does nothing. */
  close(): void;
}

/** Returns whether two identities belong to the same file or folder. */
export function isSameFile(left: Identity, right: Identity): boolean {
  return left.inode === right.inode && left.device === right.device;
}

/**
 * Returns whether a name can be the name of an entry: it is not empty, `.` or
 * `..`, and has no `/` and no NUL.
 */
export function isName(name: string): boolean {
  return name !== "" && name !== "." && name !== ".." &&
    !name.includes("/") && !name.includes("\0");
}

/**
 * Returns whether two numbers are a valid user ID and group ID. A system call
 * would truncate 4294967296 to 0, the superuser, and interpret 4294967295 as
 * "unchanged".
 */
export function isOwner(uid: number, gid: number): boolean {
  const isNumber = (id: number) =>
    Number.isInteger(id) && id >= 0 && id < 0xffff_ffff;
  return isNumber(uid) && isNumber(gid);
}

/**
 * Returns the code of the error for an attempt to open an entry of this kind as
 * a file, such as `EISDIR` for a folder. Returns `undefined` for a file.
 */
export function codeOfKind(kind: FileStat["kind"]): string | undefined {
  switch (kind) {
    case "file":
      return undefined;
    case "symlink":
      return "ELOOP";
    case "directory":
      return "EISDIR";
    default:
      return "ENXIO";
  }
}
