import * as fs from "node:fs/promises";
import { dirname, join } from "node:path";
import { codeOf } from "../../../../shared/error_code.ts";

/** The maximum size of a file that is copied, in bytes. */
const MAX_FILE_BYTES = 64 * 2 ** 20;
/** The maximum total size of the copies of files of one folder, in bytes. */
const MAX_BYTES = 256 * 2 ** 20;
/** The maximum number of copied files of one folder. */
const MAX_FILES = 1000;

/**
 * Copies of the files of a folder as they were before the folder had a
 * snapshot. If a file has changed since it was copied, the first snapshot
 * stores the copy in place of the file. So the content before the first save is
 * not lost. The copies are on the disk. They still exist after the window is
 * closed, and count toward the limits in the next window.
 */
export class Originals {
  readonly #copies = new Map<string, Promise<boolean>>();
  /** The number of copies begun so far, for the names of unfinished copies. */
  #count = 0;
  /** The number and the total size of the finished and unfinished copies. */
  #used: Promise<Used> | undefined;

  /**
   * Copies a file, unless it already has a copy, is not a regular file, or its
   * copy would exceed a limit.
   *
   * @param place The folder of the copies.
   * @param file The path of the file.
   * @param path The path of the file below its workspace folder.
   * @returns Whether the file has a copy.
   */
  keep(place: string, file: string, path: string): Promise<boolean> {
    const known = this.#copies.get(path);
    if (known !== undefined) return known;
    const copy = this.#copy(place, file, path).catch(() => false);
    this.#copies.set(path, copy);
    void copy.then((isKept) => {
      // A failed copy is forgotten, because the next attempt might succeed.
      if (!isKept && this.#copies.get(path) === copy) this.#copies.delete(path);
    });
    return copy;
  }

  /** Returns whether `place` has copies, including those of earlier windows. */
  async exist(place: string): Promise<boolean> {
    await Promise.all(this.#copies.values());
    const names = await fs.readdir(place).catch(() => []);
    return names.length > 0;
  }

  /** Deletes all copies in `place`. Called when they are no longer needed. */
  async delete(place: string): Promise<void> {
    await Promise.all(this.#copies.values());
    this.#copies.clear();
    this.#used = undefined;
    await fs.rm(place, { recursive: true, force: true });
  }

  /** Copies a file with its time and mode. Returns whether the copy exists. */
  async #copy(place: string, file: string, path: string): Promise<boolean> {
    const before = await fs.lstat(file);
    const { size } = before;
    if (!before.isFile() || size > MAX_FILE_BYTES) return false;
    const copy = join(place, path);
    const used = await (this.#used ??= usedIn(place));
    if (await exists(copy)) return true;
    if (used.files >= MAX_FILES || used.bytes + size > MAX_BYTES) return false;
    used.files++;
    used.bytes += size;
    const unfinished = `${place}.${process.pid}.${++this.#count}`;
    let isKept = false;
    try {
      // A file might be protected only by the mode of its folder, so the folder
      // of the copy is closed to other users.
      await fs.mkdir(dirname(copy), { recursive: true, mode: 0o700 });
      await fs.copyFile(file, unfinished, fs.constants.COPYFILE_FICLONE);
      const after = await fs.lstat(file);
      if (after.mtimeMs !== before.mtimeMs || after.size !== size) return false;
      await fs.utimes(unfinished, before.atimeMs / 1000, before.mtimeMs / 1000);
      await fs.rename(unfinished, copy);
      isKept = true;
      return true;
    } finally {
      if (!isKept) {
        used.files--;
        used.bytes -= size;
        await fs.rm(unfinished, { force: true });
      }
    }
  }
}

/** The number and the total size of the copies of a folder. */
interface Used {
  /** The number of copies. */
  files: number;
  /** The total size of the copies, in bytes. */
  bytes: number;
}

/**
 * Deletes the unfinished copies of all workspace folders if the process that
 * made the copy has ended. Then returns the number and the total size of the
 * copies in `place`.
 */
async function usedIn(place: string): Promise<Used> {
  const above = dirname(place);
  for (const name of await fs.readdir(above).catch(() => [])) {
    const [, pid] = /\.(\d+)\.\d+$/.exec(name) ?? [];
    if (pid !== undefined && !isRunning(Number(pid))) {
      await fs.rm(join(above, name), { force: true }).catch(() => {});
    }
  }
  const used: Used = { files: 0, bytes: 0 };
  const entries = await fs.readdir(place, {
    recursive: true,
    withFileTypes: true,
  }).catch(() => []);
  for (const entry of entries) {
    if (!entry.isFile()) continue;
    const copy = join(entry.parentPath, entry.name);
    // Another window might have deleted the copy.
    const { size } = await fs.lstat(copy).catch(() => ({ size: 0 }));
    used.files++;
    used.bytes += size;
  }
  return used;
}

/** Returns whether a process is running. */
function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // `EPERM` means that the process runs, but belongs to another user.
    return codeOf(error) !== "ESRCH";
  }
}

function exists(file: string): Promise<boolean> {
  return fs.access(file).then(() => true, () => false);
}
