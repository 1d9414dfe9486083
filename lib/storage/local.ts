import type * as NodeFs from "node:fs";
import { Buffer, fs, nodePath, process } from "../bytes/node.ts";
import { checkAborted } from "../bytes/abort.ts";
import { codeOf, DeltarError } from "../bytes/errors.ts";
import { type ByteSource, chunks } from "../bytes/source.ts";
import {
  isOpenToAll,
  type LocalModes,
  modeOf,
  modesIn,
  type Sharing,
} from "./local_modes.ts";
import { checkNamesIn } from "./local_names.ts";
import { turnIfDue } from "../bytes/turns.ts";
import { checkName, isSegment } from "./names.ts";
import { rangeIn } from "./range.ts";
import type {
  GetOptions,
  PutOptions,
  Storage,
  StoredObject,
} from "./storage.ts";
import { isAbandoned, STAGE_PREFIX, temporaryName } from "./temporary.ts";

/** The maximum number of bytes of an object that are read at a time. */
const MAX_READ_BYTES = 1 << 20;

/**
 * A folder on a local or mounted disk. Each object is a file with the object's
 * name. The folder is made by `prepare` or by the first `put`.
 *
 * Files and folders get the permissions of the storage's folder, without the
 * permissions that the process's umask forbids. If the folder has the
 * set-group-ID bit, the umask is ignored. If this class makes the folder, only
 * the folder's owner gets access, unless `prepare` shares the folder with its
 * group.
 *
 * An object is written to a temporary file `.deltar-stage-…` in the object's
 * folder, flushed to the disk, and renamed in one step. A crash can therefore
 * leave a temporary file, but never an incomplete object.
 *
 * @example Store and list
 * ```ts
 * import { LocalStorage } from "@deltar/deltar";
 * import assert from "node:assert/strict";
 * import { mkdtempSync, rmSync } from "node:fs";
 *
 * const folder = mkdtempSync("example-");
 * try {
 *   const storage = new LocalStorage(folder);
 *   await storage.put("a/b", new TextEncoder().encode("hello"));
 *   assert.deepEqual(await Array.fromAsync(storage.list()), [{ name: "a/b", size: 5 }]);
 * } finally {
 *   rmSync(folder, { recursive: true });
 * }
 * ```
 */
export class LocalStorage implements Storage {
  /** The absolute path of the folder. */
  readonly location: string;
  /** The absolute path of the folder, the same as `location`. */
  readonly localPath: string;
  #modes: LocalModes | undefined;

  /**
   * Opens the storage in a folder.
   *
   * @param folder The path of the folder, which need not exist yet.
   */
  constructor(folder: string) {
    this.location = this.localPath = nodePath.resolve(folder);
  }

  /** Reads an object; see {@linkcode Storage.get}. */
  async *get(
    name: string,
    options: GetOptions = {},
  ): AsyncGenerator<Uint8Array> {
    await Promise.resolve();
    const file = this.#file(name);
    checkAborted(options.signal);
    const fd = attempt(name, () => openExisting(file), "not-found");
    try {
      const size = attempt(name, () => sizeOf(fd));
      const { start, end } = rangeIn(name, size, options);
      for (let at = start; at < end;) {
        const turn = turnIfDue();
        if (turn !== undefined) await turn;
        checkAborted(options.signal);
        const buffer = unfilled(Math.min(end - at, MAX_READ_BYTES));
        const got = attempt(
          name,
          () => fs.readSync(fd, buffer, 0, buffer.length, at),
        );
        if (got === 0) {
          throw new DeltarError(
            "truncated",
            "the object became shorter while it was being read; try again",
            {
              object: name,
              offset: at,
            },
          );
        }
        at += got;
        yield buffer.subarray(0, got);
      }
    } finally {
      fs.closeSync(fd);
    }
  }

  /**
   * Prepares the folder for a new repository: makes the folder if necessary,
   * and removes the access of other users. Without `shared`, the mode of an
   * existing folder is changed only if the folder contains nothing but hidden
   * files and `lost+found`, gives access to users outside its group, and has no
   * set-group-ID bit. If this user is not permitted to change the mode, the
   * folder keeps its mode.
   *
   * @param shared The access that the folder's group gets. Default: none.
   * @throws {DeltarError} `unsupported` if the file system changes names, for
   *   example their case; `io` if the folder cannot be made, written to or
   *   shared.
   */
  prepare(shared?: Sharing): void {
    const { location } = this;
    const isNew = !fs.existsSync(location);
    const mode = modeOf(shared);
    attempt(location, () => {
      makeFolder(location, { folder: mode, isExact: shared !== undefined });
      if (isNew) return;
      const { mode: old } = fs.statSync(location);
      const isEmpty = fs.readdirSync(location)
        .every((name) => name.startsWith(".") || name === "lost+found");
      if (shared !== undefined) fs.chmodSync(location, mode);
      else if (isEmpty && isOpenToAll(old)) closeFolder(location, mode);
    });
    this.#modes = undefined;
    try {
      checkNamesIn(location);
    } catch (error) {
      if (isNew) removeIfEmpty(location);
      throw error;
    }
  }

  /** Stores an object; see {@linkcode Storage.put}. */
  async put(
    name: string,
    source: ByteSource,
    options: PutOptions = {},
  ): Promise<void> {
    const target = this.#file(name);
    const folder = nodePath.dirname(target);
    const temporary = nodePath.join(folder, temporaryName());
    const modes = this.#modes ??= attempt(name, () => modesIn(this.location));
    attempt(name, () => makeFolder(folder, modes, this.location));
    try {
      await this.#write(name, temporary, source, modes, options.signal);
      if (options.ifAbsent) {
        attempt(name, () => nameIfAbsent(temporary, target), "exists");
      } else attempt(name, () => fs.renameSync(temporary, target));
      await flushFolder(folder).catch((cause) => {
        throw ioError(name, cause);
      });
    } catch (error) {
      await fs.promises.rm(temporary, { force: true }).catch(() => {});
      throw error;
    }
  }

  /** Lists the objects under a prefix; see {@linkcode Storage.list}. */
  async *list(prefix = ""): AsyncGenerator<StoredObject> {
    await Promise.resolve();
    for (const object of this.#listFolder("", prefix)) {
      const turn = turnIfDue();
      if (turn !== undefined) await turn;
      yield object;
    }
  }

  /** Deletes an object; see {@linkcode Storage.delete}. */
  async delete(name: string): Promise<void> {
    const file = this.#file(name);
    await Promise.resolve();
    attempt(name, () => fs.rmSync(file, { force: true }));
  }

  /**
   * Deletes the unfinished files of killed processes, which `list` does not
   * show. If it is not known whether the process of a file is running, for
   * example because the process is on another machine, the file is deleted only
   * if it is more than a day old. A file that cannot be deleted is kept.
   */
  clearAbandoned(): void {
    this.#clearFolder(this.location);
  }

  /**
   * Returns whether the folder, or the file `deltar.json` in it, belongs to a
   * user other than this user and root. Returns `false` on Windows.
   *
   * @throws {DeltarError} `io` if the owner cannot be read.
   */
  belongsToOthers(): boolean {
    const user = process.geteuid?.();
    if (user === undefined) return false;
    return ["", "/deltar.json"].some((name) => {
      const stat = attempt(
        name,
        () => fs.statSync(this.location + name, { throwIfNoEntry: false }),
      );
      return stat !== undefined && stat.uid !== user && stat.uid !== 0;
    });
  }

  #clearFolder(folder: string): void {
    let entries: NodeFs.Dirent[];
    try {
      entries = fs.readdirSync(folder, { withFileTypes: true });
    } catch {
      return;
    }
    for (const entry of entries) {
      const place = nodePath.join(folder, entry.name);
      if (entry.isDirectory()) this.#clearFolder(place);
      if (!entry.name.startsWith(STAGE_PREFIX) || !entry.isFile()) continue;
      try {
        const { mtimeMs } = fs.lstatSync(place);
        if (isAbandoned(entry.name, mtimeMs, Date.now())) fs.rmSync(place);
      } catch {
        // The file has already been deleted, or this user has no permission to
        // delete it.
      }
    }
  }

  *#listFolder(folder: string, prefix: string): Generator<StoredObject> {
    // Only folders that can contain a name with this prefix are entered.
    const all = folder.startsWith(prefix);
    if (!all && !prefix.startsWith(folder)) return;
    for (const entry of this.#read(folder)) {
      if (!isSegment(entry.name)) continue;
      const name = folder + entry.name;
      if (entry.isDirectory()) {
        yield* this.#listFolder(`${name}/`, prefix);
      } else if (name.startsWith(prefix)) {
        const stat = attempt(
          name,
          () => fs.statSync(this.#file(name), { throwIfNoEntry: false }),
        );
        if (stat?.isFile()) yield { name, size: stat.size };
      }
    }
  }

  #read(folder: string): NodeFs.Dirent[] {
    const place = nodePath.join(this.location, folder);
    try {
      return fs.readdirSync(place, { withFileTypes: true });
    } catch (error) {
      if (isCode(error, "ENOENT")) return [];
      throw ioError(folder || this.location, error);
    }
  }

  async #write(
    name: string,
    temporary: string,
    source: ByteSource,
    modes: LocalModes,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    // Errors of the file become `io` errors. Errors of the source are rethrown
    // unchanged.
    const fail = (cause: unknown): never => {
      throw ioError(name, cause);
    };
    const handle = await fs.promises.open(temporary, "wx", modes.file)
      .catch(fail);
    try {
      if (modes.isExact) await handle.chmod(modes.file).catch(fail);
      for await (const chunk of chunks(source)) {
        checkAborted(signal);
        for (let at = 0; at < chunk.length;) {
          const left = chunk.length - at;
          at += (await handle.write(chunk, at, left).catch(fail)).bytesWritten;
        }
      }
      checkAborted(signal);
      await handle.sync().catch(fail);
    } finally {
      await handle.close();
    }
  }

  #file(name: string): string {
    checkName(name);
    return nodePath.join(this.location, name);
  }
}

/**
 * Renames a file. Throws `EEXIST` if the new name is taken. The new name is
 * made as a hard link, because making a hard link never replaces an existing
 * file. On file systems without hard links (FAT, exFAT, some network mounts),
 * the check and the rename are two steps. If two writers then use the same new
 * name at the same time, the later file replaces the earlier one.
 */
function nameIfAbsent(temporary: string, target: string): void {
  try {
    fs.linkSync(temporary, target);
    fs.rmSync(temporary);
  } catch (error) {
    if (!isCode(error, "EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EMLINK")) {
      throw error;
    }
    if (fs.existsSync(target)) {
      throw Object.assign(new Error("the path already exists"), {
        code: "EEXIST",
      });
    }
    fs.renameSync(temporary, target);
  }
}

/**
 * Makes a folder and the missing folders above it, and flushes their names to
 * the disk. The folders are made one by one, because a recursive `mkdirSync` of
 * Node wrongly reports `ENOENT` if a folder is read-only.
 *
 * @param folder The path of the folder.
 * @param modes The mode of the folder and its parents up to `root`. Folders
 *   above `root` get the default mode.
 * @param root The path of the storage's folder. Default: `folder`.
 */
function makeFolder(
  folder: string,
  modes: Pick<LocalModes, "folder" | "isExact">,
  root: string = folder,
): void {
  if (fs.existsSync(folder)) return;
  const above = nodePath.dirname(folder);
  if (above !== folder) makeFolder(above, modes, root);
  const isOurs = folder.startsWith(root);
  try {
    fs.mkdirSync(folder, isOurs ? modes.folder : undefined);
    if (isOurs && modes.isExact) fs.chmodSync(folder, modes.folder);
  } catch (error) {
    if (!isCode(error, "EEXIST")) throw error;
  }
  syncFolder(above);
}

/**
 * Sets the mode of a folder, to remove the access of other users. Does nothing
 * if the folder belongs to another user or its file system has no modes.
 */
function closeFolder(folder: string, mode: number): void {
  try {
    fs.chmodSync(folder, mode);
  } catch (error) {
    if (!isCode(error, "EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EINVAL")) {
      throw error;
    }
  }
}

function removeIfEmpty(folder: string): void {
  try {
    fs.rmdirSync(folder);
  } catch {
    // A folder that is not empty or cannot be removed is kept.
  }
}

/**
 * Flushes the names in a folder to the disk without blocking the event loop.
 * Does nothing if the system does not let this user open or flush the folder.
 * For example, Windows cannot flush folders. Other errors are thrown.
 */
export async function flushFolder(folder: string): Promise<void> {
  let handle: NodeFs.promises.FileHandle;
  try {
    handle = await fs.promises.open(folder, "r");
  } catch (error) {
    if (isCode(error, ...UNOPENED)) return;
    throw error;
  }
  try {
    await handle.sync();
  } catch (error) {
    if (!isCode(error, ...UNOPENED, "EINVAL")) throw error;
  } finally {
    await handle.close();
  }
}

/** The error codes for a folder that the system does not let a user flush. */
const UNOPENED = ["EISDIR", "EPERM", "EACCES"];

/**
 * Flushes the names in a folder to the disk synchronously. Does nothing in the
 * same cases as `flushFolder`.
 */
export function syncFolder(folder: string): void {
  let fd: number;
  try {
    fd = fs.openSync(folder, "r");
  } catch (error) {
    if (isCode(error, ...UNOPENED)) return;
    throw error;
  }
  try {
    fs.fsyncSync(fd);
  } catch (error) {
    if (!isCode(error, ...UNOPENED, "EINVAL")) throw error;
  } finally {
    fs.closeSync(fd);
  }
}

/**
 * Opens a file for reading. If a path above the file is not a folder, throws
 * `ENOTDIR` on every system. Windows itself would report `ENOENT`.
 */
function openExisting(file: string): number {
  try {
    return fs.openSync(file, "r");
  } catch (error) {
    if (process.platform === "win32" && isCode(error, "ENOENT")) {
      checkFolderAbove(file);
    }
    throw error;
  }
}

/**
 * Returns the size of an open file, in bytes. Throws `EISDIR` if the file is a
 * folder, which Windows opens as an empty file.
 */
function sizeOf(fd: number): number {
  const stat = fs.fstatSync(fd);
  if (!stat.isDirectory()) return stat.size;
  throw Object.assign(new Error("the path is a folder"), { code: "EISDIR" });
}

/**
 * Throws an error unless the nearest existing path above a file is a folder.
 */
function checkFolderAbove(file: string): void {
  const above = nodePath.dirname(file);
  const stat = fs.statSync(above, { throwIfNoEntry: false });
  if (stat === undefined && above !== file) checkFolderAbove(above);
  else if (stat?.isDirectory() === false) fs.readdirSync(above);
}

/**
 * Returns a new array of `length` bytes, which are not initialized. No other
 * array uses its buffer.
 */
function unfilled(length: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.allocUnsafeSlow(length).buffer);
}

/** The system errors that correspond to error codes of `Storage`, by code. */
const SYSTEM_ERRORS = { "not-found": "ENOENT", "exists": "EEXIST" } as const;

/**
 * Runs a system call. Throws an error of code `told` if the call fails with the
 * system error for this code, and of code `io` if it fails in another way.
 */
function attempt<Result>(
  name: string,
  work: () => Result,
  told?: keyof typeof SYSTEM_ERRORS,
): Result {
  try {
    return work();
  } catch (cause) {
    if (told === undefined || !isCode(cause, SYSTEM_ERRORS[told])) {
      throw ioError(name, cause);
    }
    const what = told === "exists"
      ? "the object already exists"
      : "the object does not exist";
    throw new DeltarError(told, what, { object: name, cause });
  }
}

function ioError(name: string, cause: unknown): DeltarError {
  if (cause instanceof DeltarError) return cause;
  return new DeltarError("io", reasonOf(cause), { object: name, cause });
}

/**
 * Returns the reason for a system error, without the path in the system's
 * message, because the path might name a temporary file.
 */
function reasonOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  const [, code, why] = /^(E[A-Z0-9]+): ([^,]+)(?:, |$)/.exec(cause.message) ??
    [];
  return code === undefined ? cause.message : `${why} (${code})`;
}

function isCode(error: unknown, ...codes: string[]): boolean {
  return codes.includes(codeOf(error) ?? "");
}
