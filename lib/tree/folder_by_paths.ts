import { codeOf } from "../bytes/errors.ts";
import type * as NodeFs from "node:fs";
import { fs, process } from "../bytes/node.ts";
import { creationTimeSetter } from "./creation_time.ts";
import { dosAttributes } from "./dos_attributes.ts";
import type { SpecialKind } from "./entry.ts";
import {
  codeOfKind,
  type Folder,
  type FolderVisitor,
  isName,
  isOwner,
  isSameFile,
  type OpenFile,
} from "./folder.ts";
import { placeholderTest } from "./placeholder.ts";
import { toNodePath } from "./node_path.ts";
import { decodeName, encodeNameInto } from "./raw_name.ts";
import {
  type FileStat,
  fillStatx,
  fromNodeStat,
  type Identity,
  STATX_BYTES,
  toNodeTime,
} from "./statx.ts";
import { errorAt, systemError } from "./system_error.ts";
import type { XattrAccess } from "./xattrs.ts";

/**
 * The flag of Linux that opens a file or folder without access to its content.
 * With this flag, no read permission is needed.
 */
const O_PATH = 0o10000000;

const statBytes = new Uint8Array(STATX_BYTES);
const statWords = new Uint32Array(statBytes.buffer);
const statView = new DataView(statBytes.buffer);
const nameBytes = new Uint8Array(4096);
const encoder = new TextEncoder();

/**
 * Returns whether `/proc/PID/fd/N/name` leads to `name` in the open folder with
 * descriptor N. If so, `node:fs`, which accepts only paths, can reach entries
 * relative to an open folder.
 */
export function hasProc(): boolean {
  if (process.platform !== "linux") return false;
  try {
    const fd = fs.openSync("/", fs.constants.O_DIRECTORY);
    try {
      const there = fs.lstatSync(`${procPath(fd)}/.`, { bigint: true });
      const { dev, ino } = fs.fstatSync(fd, { bigint: true });
      return there.dev === dev && there.ino === ino;
    } finally {
      fs.closeSync(fd);
    }
  } catch {
    return false;
  }
}

/**
 * Returns whether `node:fs` accepts paths as bytes. Deno accepts only strings.
 * Bun does not need paths as bytes, because it reaches folders by system calls.
 */
export function takesBytes(): boolean {
  const { deno, bun } = process.versions;
  return deno === undefined && bun === undefined;
}

/**
 * Opens a folder by its path and follows symlinks. Its entries are reached
 * through `/proc`.
 *
 * @param place The path, in the syntax of the operating system.
 * @throws The error of the system, with its `code`, if the folder cannot be
 * opened.
 */
export function openByProc(place: string): Folder {
  const path = toNodePath(place);
  const fd = attempt("open", place, () => openFolderFd(path, 0));
  return new ProcFolder(fd, place);
}

/**
 * Opens a folder by its path and follows symlinks. Its entries are reached by
 * paths.
 *
 * @param place The path, in the syntax of the operating system.
 * @throws The error of the system, with its `code`, if the folder cannot be
 * opened.
 */
export function openByPath(place: string): Folder {
  const stat = attempt("open", place, () => {
    const stat = fromNodeStat(fs.statSync(place, { bigint: true }));
    if (stat.kind !== "directory") throw systemError("ENOTDIR", "open", place);
    return stat;
  });
  return new PlainFolder(place, fs.realpathSync(place), stat);
}

/** A folder whose entries `node:fs` reaches by paths. */
abstract class PathFolder implements Folder {
  readonly place: string;
  /** The path that leads to the folder. */
  protected abstract readonly base: string;

  constructor(place: string) {
    this.place = place;
  }

  /** Whether `base` is a symlink to the folder and must be followed. */
  protected abstract readonly isLink: boolean;
  /** Whether names and the targets of symlinks can be invalid UTF-8. */
  protected abstract readonly takesBytes: boolean;

  /** Throws an error if `base` no longer leads to the folder. */
  protected abstract check(call: string): void;
  abstract stat(): FileStat;

  identity(): Identity {
    const { device, inode } = this.stat();
    return { device, inode };
  }

  is(identity: Identity): boolean {
    return isSameFile(this.stat(), identity);
  }

  abstract openFolder(name: string): Folder;
  abstract setMode(name: string, mode: number): void;
  abstract sync(): Promise<void>;
  abstract close(): void;

  statAt(name: string): FileStat | undefined {
    return this.attempt("lstat", name, (path) => {
      const stat = fs.lstatSync(path, { bigint: true, throwIfNoEntry: false });
      return stat && fromNodeStat(stat);
    });
  }

  visit(visit: FolderVisitor): boolean {
    for (const name of this.names()) {
      const end = encodeNameInto(name, nameBytes) ?? 0;
      if (!visit(nameBytes, 0, end, this.#fill(name))) return false;
    }
    return true;
  }

  #fill(name: string): Uint32Array | undefined {
    let stat: NodeFs.BigIntStats;
    try {
      stat = fs.lstatSync(this.#pathTo(name), { bigint: true });
    } catch {
      return undefined;
    }
    fillStatx(statView, stat);
    return statWords;
  }

  names(): string[] {
    return attempt("scandir", this.place, () => {
      this.check("scandir");
      return this.takesBytes
        ? fs.readdirSync(this.base, "buffer").map(decodeName)
        : fs.readdirSync(this.base);
    });
  }

  openFile(name: string): OpenFile {
    const file = this.openUnseen(name);
    try {
      checkFile(file.stat(), file.place);
      return file;
    } catch (error) {
      file.close();
      throw error;
    }
  }

  openUnseen(name: string): OpenFile {
    return this.attempt("open", name, (path, place) => {
      return new NodeFile(fs.openSync(path, READ), place, path);
    });
  }

  createFile(name: string, mode: number): OpenFile {
    return this.attempt("open", name, (path, place) => {
      this.check("open");
      return new NodeFile(fs.openSync(path, "wx+", mode), place, path);
    });
  }

  makeFolder(name: string, mode: number): void {
    this.change("mkdir", name, (path) => fs.mkdirSync(path, mode));
  }

  makeSymlink(name: string, target: string): void {
    this.change("symlink", name, (path, place) => {
      if (!this.isPossible(target)) {
        throw notText("symlink", place, "the target");
      }
      fs.symlinkSync(toNodePath(target), path);
    });
  }

  makeSpecial(name: string, _kind: SpecialKind): void {
    const words = "this runtime cannot create named pipes and devices";
    throw systemError("ENOSYS", "mknod", `${this.place}/${name}`, words);
  }

  readLink(name: string): string {
    return this.attempt("readlink", name, (path, place) => {
      if (this.takesBytes) return decodeName(fs.readlinkSync(path, "buffer"));
      const text = readText(path);
      if (text !== undefined) return text;
      throw notText("readlink", place, "the target");
    });
  }

  link(name: string, to: Folder, newName: string): void {
    this.change("link", name, (path) => {
      fs.linkSync(path, asPathFolder(to).pathOf(newName, "link"));
    });
  }

  rename(name: string, to: Folder, newName: string): void {
    this.change("rename", name, (path) => {
      renameOver(path, asPathFolder(to).pathOf(newName, "rename"));
    });
  }

  /** Returns the path of an entry, for calls that take two paths. */
  pathOf(name: string, call: string): NodeFs.PathLike {
    const path = this.#pathTo(name, call);
    this.check(call);
    return path;
  }

  /**
   * Returns whether the runtime can pass a name, or the target of a symlink, to
   * the system.
   */
  protected isPossible(name: string): boolean {
    return this.takesBytes || name.isWellFormed();
  }

  /**
   * Returns the path of an entry. Throws an error if the name cannot be used.
   */
  #pathTo(name: string, call = "lstat"): NodeFs.PathLike {
    const place = `${this.place}/${name}`;
    if (!isSafe(name)) throw systemError("EINVAL", call, place);
    if (!this.isPossible(name)) throw notText(call, place, "the name");
    return toNodePath(`${this.base}/${name}`);
  }

  unlink(name: string): void {
    this.change("unlink", name, (path, place) => {
      // Some systems allow a folder to be unlinked.
      if (fs.lstatSync(path).isDirectory()) {
        throw systemError("EISDIR", "unlink", place);
      }
      fs.unlinkSync(path);
    });
  }

  removeFolder(name: string): void {
    this.change("rmdir", name, (path) => fs.rmdirSync(path));
  }

  setOwner(name: string, uid: number, gid: number): void {
    this.change("lchown", name, (path, place) => {
      if (!isOwner(uid, gid)) throw systemError("EINVAL", "lchown", place);
      fs.lchownSync(path, uid, gid);
    });
  }

  setTimes(name: string, mtime: bigint): void {
    const time = toNodeTime(mtime);
    this.change("utime", name, (path) => fs.lutimesSync(path, time, time));
  }

  setOwnOwner(uid: number, gid: number): void {
    this.own("chown", () => {
      if (!isOwner(uid, gid)) throw systemError("EINVAL", "chown", this.place);
      const chown = this.isLink ? fs.chownSync : fs.lchownSync;
      chown(this.base, uid, gid);
    });
  }

  setOwnMode(mode: number): void {
    this.own("chmod", () => fs.chmodSync(this.base, mode));
  }

  setOwnTimes(mtime: bigint): void {
    const time = toNodeTime(mtime);
    const utimes = this.isLink ? fs.utimesSync : fs.lutimesSync;
    this.own("utime", () => utimes(this.base, time, time));
  }

  isPlaceholder(name: string): boolean {
    const test = placeholderTest();
    return test !== undefined &&
      this.attempt("lstat", name, (path) => test(String(path)));
  }

  xattrsAt(name: string): XattrAccess | undefined {
    return dosAttributes()?.(String(this.pathOf(name, "getxattr")));
  }

  ownXattrs(): XattrAccess | undefined {
    return dosAttributes()?.(this.base);
  }

  setBtime(name: string, btime: bigint): void {
    const set = creationTimeSetter();
    if (set === undefined) return;
    this.change("utime", name, (path) => set(String(path), btime));
  }

  setOwnBtime(btime: bigint): void {
    const set = creationTimeSetter();
    if (set !== undefined) this.own("utime", () => set(this.base, btime));
  }

  syncFileSystem(): Promise<boolean> {
    return Promise.resolve(false);
  }

  /**
   * Runs an operation on the folder itself, after checking that `base` still
   * leads to the folder. `call` is the name of the system call, for errors.
   */
  protected own<Result>(call: string, work: () => Result): Result {
    return attempt(call, this.place, () => {
      this.check(call);
      return work();
    });
  }

  /**
   * Runs an operation that changes an entry of the folder, after checking that
   * `base` still leads to the folder.
   */
  protected change(
    call: string,
    name: string,
    work: (path: NodeFs.PathLike, place: string) => void,
  ): void {
    this.attempt(call, name, (path, place) => {
      this.check(call);
      work(path, place);
    });
  }

  protected attempt<Result>(
    call: string,
    name: string,
    work: (path: NodeFs.PathLike, place: string) => Result,
  ): Result {
    const place = `${this.place}/${name}`;
    const path = this.#pathTo(name, call);
    return attempt(call, place, () => work(path, place));
  }
}

/**
 * A folder that is reached through the link to its descriptor in Linux's
 * `/proc`.
 */
class ProcFolder extends PathFolder {
  protected override readonly base: string;
  /**
   * Always `true`, because `base` is a link in `/proc`. Calls through the link
   * work even for a folder that this process may enter but not list.
   */
  protected override readonly isLink = true;
  protected override readonly takesBytes = takesBytes();
  readonly #fd: number;
  #isOpen = true;

  constructor(fd: number, place: string) {
    super(place);
    this.#fd = fd;
    this.base = procPath(fd);
  }

  protected override check(call: string): void {
    // After `close`, the descriptor can belong to another file or folder.
    if (!this.#isOpen) throw systemError("EBADF", call, this.place);
  }

  protected override attempt<Result>(
    call: string,
    name: string,
    work: (path: NodeFs.PathLike, place: string) => Result,
  ): Result {
    this.check(call);
    return super.attempt(call, name, work);
  }

  override stat(): FileStat {
    return this.own("fstat", () => {
      return fromNodeStat(fs.fstatSync(this.#fd, { bigint: true }));
    });
  }

  override openFolder(name: string): Folder {
    return this.attempt("open", name, (path, place) => {
      return new ProcFolder(openFolderFd(path, NO_FOLLOW), place);
    });
  }

  override setMode(name: string, mode: number): void {
    this.attempt("chmod", name, (path, place) => {
      const fd = fs.openSync(path, O_PATH | NO_FOLLOW);
      try {
        if (fs.fstatSync(fd).isSymbolicLink()) {
          throw systemError("ENOTSUP", "chmod", place);
        }
        fs.chmodSync(procPath(fd), mode);
      } finally {
        fs.closeSync(fd);
      }
    });
  }

  override sync(): Promise<void> {
    return syncFolder(this.#fd, this.place);
  }

  override close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    fs.closeSync(this.#fd);
  }
}

/**
 * A folder that is reached by its path, for systems where `node:fs` has no
 * other way to reach it. Before each change, a check makes sure that the path
 * still leads to the folder that was opened. A replacement between the check
 * and the change is not noticed.
 */
class PlainFolder extends PathFolder {
  protected override readonly base: string;
  protected override readonly isLink = false;
  protected override readonly takesBytes = false;
  readonly #identity: Identity;

  constructor(place: string, base: string, { device, inode }: Identity) {
    super(place);
    this.base = base;
    this.#identity = { device, inode };
  }

  protected override check(call: string): void {
    const stat = fs.lstatSync(this.base, {
      bigint: true,
      throwIfNoEntry: false,
    });
    if (
      stat === undefined || !isSameFile(fromNodeStat(stat), this.#identity)
    ) {
      const words = "the folder was moved or replaced";
      throw systemError("ENOENT", call, this.place, words);
    }
  }

  override stat(): FileStat {
    return this.own("lstat", () => {
      return fromNodeStat(fs.lstatSync(this.base, { bigint: true }));
    });
  }

  /** Returns the identity that the folder had when it was opened. */
  override identity(): Identity {
    return this.#identity;
  }

  override openFolder(name: string): Folder {
    return this.attempt("open", name, (path, place) => {
      this.check("open");
      const stat = fromNodeStat(fs.lstatSync(path, { bigint: true }));
      if (stat.kind !== "directory") {
        throw systemError("ENOTDIR", "open", place);
      }
      return new PlainFolder(place, `${this.base}/${name}`, stat);
    });
  }

  override openUnseen(name: string): OpenFile {
    return this.attempt("open", name, (path, place) => {
      // Windows has no `O_NOFOLLOW`, and Deno does not pass this flag to the
      // system. The entry is therefore checked before and after it is opened.
      const there = fromNodeStat(fs.lstatSync(path, { bigint: true }));
      checkFile(there, place);
      const file = new NodeFile(fs.openSync(path, READ), place, path);
      if (isSameFile(file.stat(), there)) return file;
      file.close();
      throw systemError("ENOENT", "open", place, "the file was replaced");
    });
  }

  override setMode(name: string, mode: number): void {
    this.change("chmod", name, (path, place) => {
      if (fs.lstatSync(path).isSymbolicLink()) {
        throw systemError("ENOTSUP", "chmod", place);
      }
      fs.chmodSync(path, mode);
    });
  }

  override async sync(): Promise<void> {
    // Windows cannot flush a folder.
    if (process.platform === "win32") return;
    const fd = this.own("fsync", () => fs.openSync(this.base, "r"));
    try {
      await syncFolder(fd, this.place);
    } finally {
      fs.closeSync(fd);
    }
  }

  override close(): void {
    // There is no descriptor to close.
  }
}

/**
 * Renames a file and replaces an existing file. Windows does not replace a
 * read-only file, so such a file is made writable and the rename is repeated.
 */
function renameOver(from: NodeFs.PathLike, to: NodeFs.PathLike): void {
  try {
    fs.renameSync(from, to);
  } catch (error) {
    if (process.platform !== "win32" || !isReadOnly(to)) throw error;
    fs.chmodSync(to, 0o666);
    try {
      fs.renameSync(from, to);
    } catch (error) {
      fs.chmodSync(to, 0o444);
      throw error;
    }
  }
}

function isReadOnly(path: NodeFs.PathLike): boolean {
  const stat = fs.lstatSync(path, { throwIfNoEntry: false });
  return stat?.isFile() === true && (stat.mode & 0o200) === 0;
}

/** An open file that is accessed through `node:fs`. */
class NodeFile implements OpenFile {
  readonly place: string;
  readonly #at: number;
  /** The path by which the file was opened. */
  readonly #path: string;
  #isOpen = true;

  constructor(fd: number, place: string, path: NodeFs.PathLike) {
    this.#at = fd;
    this.place = place;
    this.#path = String(path);
  }

  stat(): FileStat {
    return this.#attempt("fstat", (fd) => {
      return fromNodeStat(fs.fstatSync(fd, { bigint: true }));
    });
  }

  read(buffer: Uint8Array, offset: number): number {
    return this.#attempt("read", (fd) => {
      return fs.readSync(fd, buffer, 0, buffer.length, offset);
    });
  }

  nextData(offset: number): { start: number; end: number } {
    return { start: offset, end: Infinity };
  }

  write(bytes: Uint8Array, offset: number): void {
    this.#attempt("write", (fd) => {
      for (let at = 0; at < bytes.length;) {
        at += fs.writeSync(fd, bytes, at, bytes.length - at, offset + at);
      }
    });
  }

  truncate(size: number): void {
    this.#attempt("ftruncate", (fd) => fs.ftruncateSync(fd, size));
  }

  setOwner(uid: number, gid: number): void {
    this.#attempt("fchown", (fd) => {
      if (!isOwner(uid, gid)) throw systemError("EINVAL", "fchown", this.place);
      fs.fchownSync(fd, uid, gid);
    });
  }

  setMode(mode: number): void {
    this.#attempt("fchmod", (fd) => fs.fchmodSync(fd, mode));
  }

  setTimes(mtime: bigint): void {
    const time = toNodeTime(mtime);
    this.#attempt("futime", (fd) => fs.futimesSync(fd, time, time));
  }

  xattrs(): XattrAccess | undefined {
    return dosAttributes()?.(this.#path);
  }

  sync(): void {
    this.#attempt("fsync", (fd) => fs.fsyncSync(fd));
  }

  flush(): Promise<void> {
    return this.#attempt("fsync", (fd) => flush(fd, this.place));
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    fs.closeSync(this.#at);
  }

  #attempt<Result>(call: string, work: (fd: number) => Result): Result {
    if (!this.#isOpen) throw systemError("EBADF", call, this.place);
    return attempt(call, this.place, () => work(this.#at));
  }
}

/**
 * Returns the path of a descriptor in `/proc`. The path contains the process
 * ID, so that the system does not have to resolve the link `/proc/self`.
 */
function procPath(fd: number): string {
  return `/proc/${process.pid}/fd/${fd}`;
}

const NO_FOLLOW = fs?.constants.O_NOFOLLOW ?? 0;
/**
 * The flags that open a file for reading without following a symlink, and
 * without blocking if a pipe has replaced the file.
 */
const READ = (fs?.constants.O_RDONLY ?? 0) | NO_FOLLOW |
  (fs?.constants.O_NONBLOCK ?? 0);

function openFolderFd(path: NodeFs.PathLike, flag: number): number {
  const flags = fs.constants.O_DIRECTORY | flag;
  try {
    return fs.openSync(path, flags);
  } catch (error) {
    if (codeOf(error) !== "EACCES") throw error;
    return fs.openSync(path, flags | O_PATH);
  }
}

function notText(call: string, place: string, what: string): Error {
  return systemError("EILSEQ", call, place, `${what} is not valid UTF-8`);
}

/** Returns the target of a symlink, or `undefined` if it is not valid UTF-8. */
function readText(path: NodeFs.PathLike): string | undefined {
  let text: string;
  try {
    text = fs.readlinkSync(path);
  } catch (error) {
    // Deno reports a target that is not UTF-8 as `InvalidData`, and all other
    // errors under their system names.
    if ((error as Error).name === "InvalidData") return undefined;
    throw error;
  }
  if (!text.includes("\uFFFD")) return text;
  const { size } = fs.lstatSync(path);
  return encoder.encode(text).length === size ? text : undefined;
}

/** Flushes a descriptor without blocking the event loop. */
function flush(fd: number, place: string): Promise<void> {
  return new Promise((resolve, reject) =>
    fs.fsync(fd, (error) => {
      // Deno passes `undefined` if there is no error.
      if (error) reject(errorAt(error, "fsync", place));
      else resolve();
    })
  );
}

async function syncFolder(fd: number, place: string): Promise<void> {
  try {
    await flush(fd, place);
  } catch (error) {
    const code = codeOf(error);
    // Some file systems cannot flush a folder (`EINVAL`). A folder that this
    // process may not list was opened with `O_PATH`, and cannot be flushed
    // either (`EBADF`).
    if (code !== "EBADF" && code !== "EINVAL") throw error;
  }
}

function checkFile({ kind }: FileStat, place: string): void {
  const code = codeOfKind(kind);
  if (code !== undefined) throw systemError(code, "open", place);
}

/**
 * Returns whether the system reads a name as one segment of a path. On Windows,
 * `\` also separates segments, and `:` ends the name of a drive or begins the
 * name of a stream.
 */
function isSafe(name: string): boolean {
  if (!isName(name)) return false;
  return process.platform !== "win32" || !/[\\:]/.test(name);
}

function asPathFolder(folder: Folder): PathFolder {
  if (folder instanceof PathFolder) return folder;
  throw systemError("EXDEV", "rename", folder.place);
}

function attempt<Result>(
  call: string,
  place: string,
  work: () => Result,
): Result {
  try {
    return work();
  } catch (error) {
    // The error of `node:fs` can name a path in `/proc` instead of the real
    // path, `place`.
    throw errorAt(error, call, place);
  }
}
