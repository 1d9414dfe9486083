import { fs, process } from "../bytes/node.ts";
import type { DeviceNumber, SpecialKind } from "./entry.ts";
import {
  codeOfKind,
  type Folder,
  type FolderVisitor,
  isName,
  isOwner,
  isSameFile,
  type OpenFile,
} from "./folder.ts";
import { loadAside, loadLibrary } from "../bytes/native_library.ts";
import { decodeName, encodeNameInto } from "./raw_name.ts";
import { AT_FDCWD, AT_SYMLINK_NOFOLLOW, STATX_MASK } from "./native.ts";
import {
  type FileStat,
  type Identity,
  readStatx,
  readStatxIdentity,
  splitTime,
  STATX_BYTES,
} from "./statx.ts";
import { errorOfNumber, systemError } from "./system_error.ts";
import { MAX_XATTR_BYTES, type XattrAccess } from "./xattrs.ts";

const load = () =>
  loadLibrary({
    __errno_location: [],
    memcpy: ["buffer", "u64", "u64"],
    openat: ["i32", "buffer", "i32", "u32"],
    getdents64: ["i32", "buffer", "u64"],
    lseek: ["i32", "i64", "i32"],
    statx: ["i32", "buffer", "i32", "u32", "buffer"],
    mkdirat: ["i32", "buffer", "u32"],
    symlinkat: ["buffer", "i32", "buffer"],
    readlinkat: ["i32", "buffer", "buffer", "u64"],
    linkat: ["i32", "buffer", "i32", "buffer", "i32"],
    renameat: ["i32", "buffer", "i32", "buffer"],
    unlinkat: ["i32", "buffer", "i32"],
    fchmodat: ["i32", "buffer", "u32", "i32"],
    fchmod: ["i32", "u32"],
    fchownat: ["i32", "buffer", "u32", "u32", "i32"],
    utimensat: ["i32", "buffer", "buffer", "i32"],
    futimens: ["i32", "buffer"],
    pread64: ["i32", "buffer", "u64", "i64"],
    pwrite64: ["i32", "buffer", "u64", "i64"],
    ftruncate64: ["i32", "i64"],
    flistxattr: ["i32", "buffer", "u64"],
    fgetxattr: ["i32", "buffer", "buffer", "u64"],
    fsetxattr: ["i32", "buffer", "buffer", "u64", "i32"],
    fremovexattr: ["i32", "buffer"],
    llistxattr: ["buffer", "buffer", "u64"],
    lgetxattr: ["buffer", "buffer", "buffer", "u64"],
    lsetxattr: ["buffer", "buffer", "buffer", "u64", "i32"],
    lremovexattr: ["buffer", "buffer"],
    fsync: ["i32"],
    syncfs: ["i32"],
    close: ["i32"],
  });

type SystemCalls = NonNullable<ReturnType<typeof load>>;

/** Loads `mknodat`, which the GNU C library has had since version 2.33. */
const loadNodeCalls = () =>
  loadLibrary({ mknodat: ["i32", "buffer", "u32", "u64"] });

// The following are constants of Linux (`fcntl.h`, `sys/stat.h`, `unistd.h`,
// `errno.h`).
const AT_REMOVEDIR = 0x200;
const AT_EMPTY_PATH = 0x1000;
const O_RDONLY = 0;
const O_RDWR = 2;
const O_CREAT = 0o100;
const O_EXCL = 0o200;
const O_NONBLOCK = 0o4000;
const O_CLOEXEC = 0o2000000;
const O_PATH = 0o10000000;
const isArm = process?.arch === "arm64";
const isBun = process?.versions.bun !== undefined;
const O_DIRECTORY = isArm ? 0o40000 : 0o200000;
const O_NOFOLLOW = isArm ? 0o100000 : 0o400000;
const SEEK_DATA = 3;
const SEEK_HOLE = 4;
const ENOENT = 2;
const EINTR = 4;
const ENXIO = 6;
const EBADF = 9;
const EACCES = 13;
const EINVAL = 22;
const ENOSYS = 38;
const ENOTSUP = 95;

/** The offset of the length in a record of `getdents64(2)`, in bytes. */
const LENGTH_OFFSET = 16;
/** The offset of the name in a record of `getdents64(2)`, in bytes. */
const NAME_OFFSET = 19;
const DOT = 46;

/** The bits of the mode of `mknod(2)` that specify the kind. */
const TYPES = { fifo: 0o010000, block: 0o060000, character: 0o020000 };

/** The number of bits of the major number of a device in Linux. */
const MAJOR_BITS = 12;
/** The number of bits of the minor number of a device in Linux. */
const MINOR_BITS = 20;

/** The inode number of the root of every btrfs subvolume. */
const BTRFS_ROOT = 256n;

/**
 * The maximum length of a path in one system call, in bytes, including its NUL.
 */
const PATH_MAX = 4096;

const strict = new TextDecoder("utf-8", { ignoreBOM: true, fatal: true });
const firstPath = new Uint8Array(PATH_MAX);
const secondPath = new Uint8Array(PATH_MAX);
const empty = new Uint8Array(1);
const statBytes = new Uint8Array(STATX_BYTES);
const statWords = new Uint32Array(statBytes.buffer);
const statView = new DataView(statBytes.buffer);
const listing = new Uint8Array(1 << 16);
const listingView = new DataView(listing.buffer);
const linkText = new Uint8Array(PATH_MAX);
const attributeName = new Uint8Array(256);
const attributes = new Uint8Array(MAX_XATTR_BYTES);
const errnoBytes = new Uint8Array(4);
const times = new BigInt64Array(4);
const timeBytes = new Uint8Array(times.buffer);

let calls: SystemCalls | undefined;
let isLoaded = false;
/**
 * The call that creates pipes and devices; `null` before the first attempt to
 * load it, `undefined` if it is not available.
 */
let nodeCalls: ReturnType<typeof loadNodeCalls> | null = null;
/**
 * The calls that can take a long time because they wait for a disk; `null`
 * before the first attempt to load them, `undefined` if they are not available.
 */
let aside: ReturnType<typeof loadDiskCalls> | null = null;

const loadDiskCalls = () => loadAside(["fsync", "syncfs"]);

/**
 * Makes a system call in another thread. The error number of a failed call can
 * be read only in that thread, so the caller repeats a failed call in this
 * thread to get the number. The repeated call can succeed, because the system
 * reports each error only once. In this case, the caller throws `EIO`.
 *
 * @returns Whether the call succeeded; `undefined` if calls in another thread
 * are not available.
 */
async function doneAside(
  call: "fsync" | "syncfs",
  fd: number,
): Promise<boolean | undefined> {
  if (call === "fsync" && isBun) return await flushOnPool(fd);
  if (aside === null) aside = loadDiskCalls();
  const result = await aside?.[call](fd);
  return result === undefined ? undefined : result === 0;
}

/**
 * Flushes a file or folder on one of Bun's existing threads, and returns
 * whether the flush succeeded. Starting another thread would take as long as
 * restoring a file.
 */
function flushOnPool(fd: number): Promise<boolean> {
  return new Promise((resolve) => fs.fsync(fd, (error) => resolve(!error)));
}

/**
 * Returns whether folders can be opened by system calls. This is possible in
 * Bun on Linux, and in Deno on Linux with the permission for foreign functions.
 * On macOS (arm64), a foreign call cannot pass the mode of `openat`, which is a
 * variadic argument.
 */
export function hasSystemCalls(): boolean {
  if (!isLoaded) {
    calls = load();
    isLoaded = true;
  }
  return calls !== undefined;
}

/**
 * Returns whether named pipes and devices can be created. This requires system
 * calls on folders, and `mknodat` in the C library.
 */
export function hasSpecialCall(): boolean {
  if (!hasSystemCalls()) return false;
  if (nodeCalls === null) nodeCalls = loadNodeCalls();
  return nodeCalls !== undefined;
}

/**
 * Returns the system calls. May be called only if `hasSystemCalls` returned
 * `true`.
 */
function system(): SystemCalls {
  if (calls === undefined) {
    throw new TypeError("the system calls are not loaded");
  }
  return calls;
}

/**
 * Opens a folder by its path and follows symlinks. May be called only if
 * `hasSystemCalls` returned `true`.
 *
 * @param place The path, in the syntax of the operating system.
 * @throws The error of the system, with its `code`, if the folder cannot be
 * opened.
 */
export function openByCalls(place: string): Folder {
  const path = put(firstPath, place, "open", place);
  return new CallFolder(openFolderAt(AT_FDCWD, path, 0, place), place);
}

class CallFolder implements Folder {
  readonly place: string;
  readonly #at: number;
  #isOpen = true;
  /** The device and inode of the folder; `undefined` until they are read. */
  #identity: Identity | undefined;
  /** The number of calls of `hold` that `release` has not undone yet. */
  #holds = 0;
  #isListed = false;
  /**
   * The folder's inode number from its listing; 0 until the folder is listed.
   */
  #inode = 0n;

  constructor(fd: number, place: string) {
    this.#at = fd;
    this.place = place;
  }

  /**
   * The descriptor of the folder. After `close`, getting this property throws
   * `EBADF`.
   */
  get fd(): number {
    if (!this.#isOpen) throw systemError("EBADF", "close", this.place);
    return this.#at;
  }

  stat(): FileStat {
    const stat = statOf(this.fd, this.place);
    const { device, inode } = stat;
    this.#identity ??= { device, inode };
    return stat;
  }

  identity(): Identity {
    if (this.#identity === undefined) {
      fillStat(this.fd, this.place);
      this.#identity = readStatxIdentity(statView);
    }
    return this.#identity;
  }

  is(identity: Identity): boolean {
    // If this folder was replaced in a rename, the other folder is on the same
    // device and has another inode. Comparing the inodes is therefore enough.
    // The roots of btrfs subvolumes are an exception: they all have the same
    // inode, but different devices.
    return this.#inode > BTRFS_ROOT && this.#inode === identity.inode ||
      isSameFile(this.identity(), identity);
  }

  statAt(name: string): FileStat | undefined {
    const path = this.#name(name, "lstat");
    const result = system().statx(
      this.fd,
      path,
      AT_SYMLINK_NOFOLLOW,
      STATX_MASK,
      statBytes,
    );
    if (result === 0) return readStatx(statView);
    const errno = lastErrno();
    if (errno === ENOENT) return undefined;
    throw errorOfNumber(errno, "lstat", this.#path(name));
  }

  visit(visit: FolderVisitor): boolean {
    const { fd } = this;
    if (this.#isListed) system().lseek(fd, 0, 0);
    this.#isListed = true;
    for (;;) {
      const length = system().getdents64(fd, listing, listing.length);
      if (length === 0) return true;
      if (length < 0) throw this.#unlistable();
      if (!this.#visitListing(fd, length, visit)) return false;
    }
  }

  #visitListing(fd: number, length: number, visit: FolderVisitor): boolean {
    const { statx } = system();
    for (let at = 0; at < length;) {
      const from = at;
      const start = at + NAME_OFFSET;
      at += listing[from + LENGTH_OFFSET] |
        listing[from + LENGTH_OFFSET + 1] << 8;
      if (isDots(start)) {
        if (listing[start + 1] === 0) {
          this.#inode = listingView.getBigUint64(from, true);
        }
        continue;
      }
      const end = copyName(start);
      const isKnown = statx(
        fd,
        // Making a view of each name would take longer than copying its bytes.
        end - start < PATH_MAX ? firstPath : listing.subarray(start, at),
        AT_SYMLINK_NOFOLLOW,
        STATX_MASK,
        statBytes,
      ) === 0;
      if (!visit(listing, start, end, isKnown ? statWords : undefined)) {
        return false;
      }
    }
    return true;
  }

  /**
   * Returns the error of a failed listing. A folder that this process may enter
   * but not list was opened with `O_PATH`. For such a folder, the error is
   * `EACCES` instead of the system's `EBADF`.
   */
  #unlistable(): Error {
    const errno = lastErrno();
    if (errno !== EBADF) return errorOfNumber(errno, "scandir", this.place);
    return systemError("EACCES", "scandir", this.place);
  }

  names(): string[] {
    const names: string[] = [];
    this.visit((bytes, start, end) => {
      names.push(decodeName(bytes.subarray(start, end)));
      return true;
    });
    return names;
  }

  openFolder(name: string): Folder {
    const path = this.#name(name, "open");
    const place = this.#path(name);
    return new CallFolder(
      openFolderAt(this.fd, path, O_NOFOLLOW, place),
      place,
    );
  }

  openFile(name: string): OpenFile {
    const file = this.openUnseen(name);
    try {
      const code = codeOfKind(file.stat().kind);
      if (code === undefined) return file;
      throw systemError(code, "open", file.place);
    } catch (error) {
      file.close();
      throw error;
    }
  }

  openUnseen(name: string): OpenFile {
    const path = this.#name(name, "open");
    const place = this.#path(name);
    const flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
    return new CallFile(openAt(this.fd, path, flags, 0, place), place);
  }

  createFile(name: string, mode: number): OpenFile {
    const path = this.#name(name, "open");
    const place = this.#path(name);
    const flags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    return new CallFile(openAt(this.fd, path, flags, mode, place), place);
  }

  makeFolder(name: string, mode: number): void {
    const path = this.#name(name, "mkdir");
    this.#check(system().mkdirat(this.fd, path, mode), "mkdir", name);
  }

  makeSymlink(name: string, target: string): void {
    const path = this.#name(name, "symlink");
    const text = put(secondPath, target, "symlink", this.#path(name));
    this.#check(system().symlinkat(text, this.fd, path), "symlink", name);
  }

  makeSpecial(
    name: string,
    kind: SpecialKind,
    mode: number,
    device: DeviceNumber | undefined,
  ): void {
    const path = this.#name(name, "mknod");
    const place = this.#path(name);
    if (!hasSpecialCall() || !nodeCalls) {
      throw systemError("ENOSYS", "mknod", place);
    }
    const number = device === undefined ? 0 : joinDevice(device);
    if (number === undefined) throw systemError("EINVAL", "mknod", place);
    const type = TYPES[kind];
    this.#check(
      nodeCalls.mknodat(this.fd, path, type | mode, number),
      "mknod",
      name,
    );
  }

  readLink(name: string): string {
    const path = this.#name(name, "readlink");
    const length = system().readlinkat(
      this.fd,
      path,
      linkText,
      linkText.length,
    );
    this.#check(length, "readlink", name);
    return decodeName(linkText.subarray(0, length));
  }

  link(name: string, to: Folder, newName: string): void {
    const from = this.#name(name, "link");
    const { fd, path } = asCallFolder(to).target(newName, "link");
    this.#check(system().linkat(this.fd, from, fd, path, 0), "link", name);
  }

  rename(name: string, to: Folder, newName: string): void {
    const from = this.#name(name, "rename");
    const { fd, path } = asCallFolder(to).target(newName, "rename");
    this.#check(system().renameat(this.fd, from, fd, path), "rename", name);
  }

  /**
   * Returns the descriptor of this folder and the bytes of a name in it, for a
   * call that takes two folders and two names. `call` is the name of the call,
   * for errors.
   */
  target(name: string, call: string): { fd: number; path: Uint8Array } {
    const path = putName(secondPath, name, call, this.place);
    return { fd: this.fd, path };
  }

  unlink(name: string): void {
    const path = this.#name(name, "unlink");
    this.#check(system().unlinkat(this.fd, path, 0), "unlink", name);
  }

  removeFolder(name: string): void {
    const path = this.#name(name, "rmdir");
    this.#check(system().unlinkat(this.fd, path, AT_REMOVEDIR), "rmdir", name);
  }

  setOwner(name: string, uid: number, gid: number): void {
    const path = this.#name(name, "lchown");
    if (!isOwner(uid, gid)) {
      throw systemError("EINVAL", "lchown", this.#path(name));
    }
    const flag = AT_SYMLINK_NOFOLLOW;
    this.#check(
      system().fchownat(this.fd, path, uid, gid, flag),
      "lchown",
      name,
    );
  }

  setMode(name: string, mode: number): void {
    const path = this.#name(name, "chmod");
    const flag = AT_SYMLINK_NOFOLLOW;
    if (system().fchmodat(this.fd, path, mode, flag) === 0) return;
    const errno = lastErrno();
    const place = this.#path(name);
    if (errno !== ENOTSUP) throw errorOfNumber(errno, "chmod", place);
    // Older C libraries reject `AT_SYMLINK_NOFOLLOW`. With such a library, the
    // entry is opened without following a symlink, and its mode is set through
    // `/proc`.
    const flags = O_PATH | O_NOFOLLOW | O_CLOEXEC;
    const fd = openAt(this.fd, path, flags, 0, place);
    try {
      if (statOf(fd, place).kind === "symlink") {
        throw systemError("ENOTSUP", "chmod", place);
      }
      setModeByProc(fd, mode, place);
    } finally {
      system().close(fd);
    }
  }

  setTimes(name: string, mtime: bigint): void {
    const path = this.#name(name, "utime");
    putTime(mtime);
    const flag = AT_SYMLINK_NOFOLLOW;
    this.#check(
      system().utimensat(this.fd, path, timeBytes, flag),
      "utime",
      name,
    );
  }

  xattrsAt(name: string): XattrAccess {
    if (!isName(name)) {
      throw systemError("EINVAL", "listxattr", this.#path(name));
    }
    return new XattrsByPath(`${procPath(this.fd)}/${name}`, this.#path(name));
  }

  ownXattrs(): XattrAccess {
    // The extended attributes of a folder that was opened with `O_PATH` can be
    // reached only by a path.
    return new XattrsByPath(`${procPath(this.fd)}/.`, this.place);
  }

  setOwnOwner(uid: number, gid: number): void {
    setOwner(this.fd, uid, gid, this.place);
  }

  setOwnMode(mode: number): void {
    if (system().fchmod(this.fd, mode) === 0) return;
    // The mode of a folder that was opened with `O_PATH` can be set only by a
    // path.
    setModeByProc(this.fd, mode, this.place);
  }

  setOwnTimes(mtime: bigint): void {
    putTime(mtime);
    if (system().futimens(this.fd, timeBytes) === 0) return;
    const path = put(firstPath, procPath(this.fd), "utime", this.place);
    if (system().utimensat(AT_FDCWD, path, timeBytes, 0) === 0) return;
    throw errorOfNumber(lastErrno(), "utime", this.place);
  }

  async sync(): Promise<void> {
    const isDone = await doneAside("fsync", this.fd);
    if (isDone) return;
    if (system().fsync(this.fd) === 0) {
      if (isDone === undefined) return;
      throw systemError("EIO", "fsync", this.place);
    }
    const errno = lastErrno();
    // Some file systems cannot flush a folder (`EINVAL`). A folder that this
    // process may not list was opened with `O_PATH`, and cannot be flushed
    // either (`EBADF`).
    if (errno === EBADF || errno === EINVAL) return;
    throw errorOfNumber(errno, "fsync", this.place);
  }

  async syncFileSystem(): Promise<boolean> {
    const isDone = await doneAside("syncfs", this.fd);
    if (isDone) return true;
    if (system().syncfs(this.fd) === 0) {
      if (isDone === undefined) return true;
      throw systemError("EIO", "syncfs", this.place);
    }
    const errno = lastErrno();
    if (errno === EBADF || errno === ENOSYS) return false;
    throw errorOfNumber(errno, "syncfs", this.place);
  }

  hold(): number {
    const { fd } = this;
    this.#holds++;
    return fd;
  }

  release(): void {
    if (--this.#holds === 0 && !this.#isOpen) system().close(this.#at);
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    if (this.#holds === 0) system().close(this.#at);
  }

  #name(name: string, call: string): Uint8Array {
    return putName(firstPath, name, call, this.place);
  }

  #path(name: string): string {
    return `${this.place}/${name}`;
  }

  #check(result: number, call: string, name: string): void {
    if (result >= 0) return;
    throw errorOfNumber(lastErrno(), call, this.#path(name));
  }
}

class CallFile implements OpenFile {
  readonly place: string;
  readonly #at: number;
  #isOpen = true;

  constructor(fd: number, place: string) {
    this.#at = fd;
    this.place = place;
  }

  get #fd(): number {
    if (!this.#isOpen) throw systemError("EBADF", "close", this.place);
    return this.#at;
  }

  stat(): FileStat {
    return statOf(this.#fd, this.place);
  }

  read(buffer: Uint8Array, offset: number): number {
    if (buffer.length === 0) return 0;
    for (;;) {
      const got = system().pread64(this.#fd, buffer, buffer.length, offset);
      if (got >= 0) return got;
      const errno = lastErrno();
      if (errno !== EINTR) throw errorOfNumber(errno, "read", this.place);
    }
  }

  nextData(offset: number): { start: number; end: number } | undefined {
    const start = this.#seek(offset, SEEK_DATA);
    if (start < 0) {
      const errno = lastErrno();
      if (errno === ENXIO) return undefined;
      // `EINVAL` means that the file system does not report holes.
      if (errno === EINVAL) return { start: offset, end: Infinity };
      throw errorOfNumber(errno, "lseek", this.place);
    }
    const end = this.#seek(start, SEEK_HOLE);
    if (end > start) return { start, end };
    // A hole has replaced the data since the first call. Reading one zero byte
    // as data does no harm.
    return { start, end: start + 1 };
  }

  #seek(offset: number, whence: number): number {
    const result = system().lseek(this.#fd, offset, whence);
    return Number(BigInt.asIntN(64, BigInt(result)));
  }

  write(bytes: Uint8Array, offset: number): void {
    for (let at = 0; at < bytes.length;) {
      const part = at === 0 ? bytes : bytes.subarray(at);
      const put = system().pwrite64(this.#fd, part, part.length, offset + at);
      if (put >= 0) at += put;
      else {
        const errno = lastErrno();
        if (errno !== EINTR) throw errorOfNumber(errno, "write", this.place);
      }
    }
  }

  truncate(size: number): void {
    this.#check(system().ftruncate64(this.#fd, size), "ftruncate");
  }

  setOwner(uid: number, gid: number): void {
    setOwner(this.#fd, uid, gid, this.place);
  }

  setMode(mode: number): void {
    this.#check(system().fchmod(this.#fd, mode), "fchmod");
  }

  setTimes(mtime: bigint): void {
    putTime(mtime);
    this.#check(system().futimens(this.#fd, timeBytes), "futime");
  }

  xattrs(): XattrAccess {
    return new XattrsByDescriptor(this.#fd, this.place);
  }

  sync(): void {
    this.#check(system().fsync(this.#fd), "fsync");
  }

  async flush(): Promise<void> {
    const isDone = await doneAside("fsync", this.#fd);
    if (isDone) return;
    this.sync();
    if (isDone === false) throw systemError("EIO", "fsync", this.place);
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    system().close(this.#at);
  }

  #check(result: number, call: string): void {
    if (result >= 0) return;
    throw errorOfNumber(lastErrno(), call, this.place);
  }
}

/**
 * Returns a device number as the single number that `mknod(2)` takes;
 * `undefined` if Linux has no such number.
 */
function joinDevice({ major, minor }: DeviceNumber): number | undefined {
  if (major >= 2 ** MAJOR_BITS || minor >= 2 ** MINOR_BITS) return undefined;
  // The result is the same as that of `gnu_dev_makedev` in the GNU C library.
  // After the check above, it has at most 32 bits.
  return (minor & 0xff | major << 8) + (minor >> 8) * 2 ** 20;
}

/** The extended attributes of an open file. */
class XattrsByDescriptor implements XattrAccess {
  readonly #fd: number;
  readonly #place: string;

  constructor(fd: number, place: string) {
    this.#fd = fd;
    this.#place = place;
  }

  list(): string[] {
    const { length } = attributes;
    const got = system().flistxattr(this.#fd, attributes, length);
    if (got === 0) return [];
    if (got < 0) throw errorOfNumber(lastErrno(), "listxattr", this.#place);
    return attributeNames(got, this.#place);
  }

  get(name: string): Uint8Array {
    const key = putAttribute(name, "getxattr", this.#place);
    const { length } = attributes;
    const got = system().fgetxattr(this.#fd, key, attributes, length);
    if (got >= 0) return attributes.subarray(0, got);
    throw errorOfNumber(lastErrno(), "getxattr", this.#place);
  }

  set(name: string, value: Uint8Array): void {
    const key = putAttribute(name, "setxattr", this.#place);
    const bytes = value.length === 0 ? empty : value;
    const { length } = value;
    if (system().fsetxattr(this.#fd, key, bytes, length, 0) === 0) return;
    throw errorOfNumber(lastErrno(), "setxattr", this.#place);
  }

  remove(name: string): void {
    const key = putAttribute(name, "removexattr", this.#place);
    if (system().fremovexattr(this.#fd, key) === 0) return;
    throw errorOfNumber(lastErrno(), "removexattr", this.#place);
  }
}

/**
 * The extended attributes of an open folder or of an entry in it, which are
 * reached by a path below `/proc`. A symlink is not followed.
 */
class XattrsByPath implements XattrAccess {
  readonly #path: string;
  readonly #place: string;

  constructor(path: string, place: string) {
    this.#path = path;
    this.#place = place;
  }

  list(): string[] {
    const path = put(firstPath, this.#path, "listxattr", this.#place);
    const got = system().llistxattr(path, attributes, attributes.length);
    if (got === 0) return [];
    if (got < 0) throw errorOfNumber(lastErrno(), "listxattr", this.#place);
    return attributeNames(got, this.#place);
  }

  get(name: string): Uint8Array {
    const path = put(firstPath, this.#path, "getxattr", this.#place);
    const key = putAttribute(name, "getxattr", this.#place);
    const { length } = attributes;
    const got = system().lgetxattr(path, key, attributes, length);
    if (got >= 0) return attributes.subarray(0, got);
    throw errorOfNumber(lastErrno(), "getxattr", this.#place);
  }

  set(name: string, value: Uint8Array): void {
    const path = put(firstPath, this.#path, "setxattr", this.#place);
    const key = putAttribute(name, "setxattr", this.#place);
    const bytes = value.length === 0 ? empty : value;
    if (system().lsetxattr(path, key, bytes, value.length, 0) === 0) return;
    throw errorOfNumber(lastErrno(), "setxattr", this.#place);
  }

  remove(name: string): void {
    const path = put(firstPath, this.#path, "removexattr", this.#place);
    const key = putAttribute(name, "removexattr", this.#place);
    if (system().lremovexattr(path, key) === 0) return;
    throw errorOfNumber(lastErrno(), "removexattr", this.#place);
  }
}

/**
 * Returns the names in the first `length` bytes of `attributes`. A NUL ends
 * each name.
 */
function attributeNames(length: number, place: string): string[] {
  try {
    const text = strict.decode(attributes.subarray(0, length - 1));
    return text.split("\0");
  } catch {
    throw systemError(
      "EILSEQ",
      "listxattr",
      place,
      "the name of an extended attribute is not valid UTF-8",
    );
  }
}

function putAttribute(name: string, call: string, place: string): Uint8Array {
  return put(attributeName, name, call, place);
}

/**
 * Copies the name at an offset in the listing to `firstPath`, with its NUL. If
 * the name is too long for `firstPath`, only its beginning is copied.
 *
 * @returns The offset in the listing after the name's last byte.
 */
function copyName(start: number): number {
  let at = start;
  for (let byte = listing[at]; byte > 0; byte = listing[++at]) {
    firstPath[at - start] = byte;
  }
  firstPath[at - start] = 0;
  return at;
}

/** Returns whether the name at an offset in the listing is `.` or `..`. */
function isDots(start: number): boolean {
  if (listing[start] !== DOT) return false;
  if (listing[start + 1] === 0) return true;
  return listing[start + 1] === DOT && listing[start + 2] === 0;
}

/**
 * Opens a folder and returns its descriptor. Also opens a folder that this
 * process may enter but not list.
 */
function openFolderAt(
  at: number,
  path: Uint8Array,
  flag: number,
  place: string,
): number {
  const flags = O_DIRECTORY | O_CLOEXEC | flag;
  const fd = system().openat(at, path, flags | O_RDONLY, 0);
  if (fd >= 0) return fd;
  const errno = lastErrno();
  if (errno === EACCES) {
    const entered = system().openat(at, path, flags | O_PATH, 0);
    if (entered >= 0) return entered;
  }
  if (errno === EINTR) return openFolderAt(at, path, flag, place);
  throw errorOfNumber(errno, "open", place);
}

function openAt(
  at: number,
  path: Uint8Array,
  flags: number,
  mode: number,
  place: string,
): number {
  for (;;) {
    const fd = system().openat(at, path, flags, mode);
    if (fd >= 0) return fd;
    const errno = lastErrno();
    if (errno !== EINTR) throw errorOfNumber(errno, "open", place);
  }
}

function statOf(fd: number, place: string): FileStat {
  fillStat(fd, place);
  return readStatx(statView);
}

/** Fills `statBytes` with the `struct statx` of an open file or folder. */
function fillStat(fd: number, place: string): void {
  const wanted = STATX_MASK;
  if (system().statx(fd, empty, AT_EMPTY_PATH, wanted, statBytes) === 0) return;
  throw errorOfNumber(lastErrno(), "fstat", place);
}

function setOwner(fd: number, uid: number, gid: number, place: string): void {
  if (!isOwner(uid, gid)) throw systemError("EINVAL", "fchown", place);
  if (system().fchownat(fd, empty, uid, gid, AT_EMPTY_PATH) === 0) return;
  throw errorOfNumber(lastErrno(), "fchown", place);
}

function setModeByProc(fd: number, mode: number, place: string): void {
  const path = put(firstPath, procPath(fd), "chmod", place);
  if (system().fchmodat(AT_FDCWD, path, mode, 0) === 0) return;
  throw errorOfNumber(lastErrno(), "chmod", place);
}

function procPath(fd: number): string {
  return `/proc/self/fd/${fd}`;
}

function putTime(mtime: bigint): void {
  const { seconds, nanos } = splitTime(mtime);
  times[0] = times[2] = seconds;
  times[1] = times[3] = nanos;
}

function putName(
  target: Uint8Array,
  name: string,
  call: string,
  folder: string,
): Uint8Array {
  if (!isName(name)) throw systemError("EINVAL", call, `${folder}/${name}`);
  return put(target, name, call, `${folder}/${name}`);
}

/**
 * Writes a path or the target of a symlink into a buffer, followed by a NUL,
 * and returns the buffer.
 */
function put(
  target: Uint8Array,
  path: string,
  call: string,
  place: string,
): Uint8Array {
  const length = encodeNameInto(path, target);
  if (length === undefined || length === target.length) {
    throw systemError("ENAMETOOLONG", call, place);
  }
  if (path.includes("\0")) throw systemError("EINVAL", call, place);
  target[length] = 0;
  return target;
}

function asCallFolder(folder: Folder): CallFolder {
  if (folder instanceof CallFolder) return folder;
  throw systemError("EXDEV", "rename", folder.place);
}

/** Returns the error number of the call that has just failed. */
function lastErrno(): number {
  system().memcpy(errnoBytes, system().__errno_location(), 4);
  return errnoBytes[0] | errnoBytes[1] << 8;
}
