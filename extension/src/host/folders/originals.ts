import * as fs from "node:fs/promises";
import { dirname, join } from "node:path";

/** The maximum size of a file that is copied, in bytes. */
const MAX_FILE_BYTES = 64 * 2 ** 20;
/** The maximum total size of the files that are copied, in bytes. */
const MAX_BYTES = 256 * 2 ** 20;
/** The maximum number of files that are copied. */
const MAX_FILES = 1000;

/**
 * Copies of the files of a folder as they were before the folder had a
 * snapshot. The first snapshot stores a copy in place of a file that has
 * changed since, so that the first save of a file loses nothing. The copies
 * are on the disk, so they outlive the window.
 */
export class Originals {
  readonly #copies = new Map<string, Promise<boolean>>();
  /** The number of copies that were begun, which names unfinished copies. */
  #count = 0;
  /** The total size of the copies in bytes. */
  #bytes = 0;

  /**
   * Copies a file, unless it has a copy, is not a regular file, or would exceed
   * a limit.
   *
   * @param place The folder of the copies.
   * @param file The path of the file.
   * @param path The path of the file below its workspace folder.
   * @returns Whether the file has a copy.
   */
  keep(place: string, file: string, path: string): Promise<boolean> {
    const known = this.#copies.get(path);
    if (known !== undefined) return known;
    if (this.#copies.size >= MAX_FILES) return Promise.resolve(false);
    const unfinished = `${place}.${process.pid}.${++this.#count}`;
    const copy = this.#copy(file, join(place, path), unfinished)
      .catch(() => false);
    this.#copies.set(path, copy);
    void copy.then((isKept) => {
      // The file may be readable, or new, at the next attempt.
      if (!isKept && this.#copies.get(path) === copy) this.#copies.delete(path);
    });
    return copy;
  }

  /** Returns whether there are copies, also those of an earlier window. */
  async exist(place: string): Promise<boolean> {
    await Promise.all(this.#copies.values());
    const names = await fs.readdir(place).catch(() => []);
    return names.length > 0;
  }

  /** Deletes the copies. Called after the first snapshot. */
  async delete(place: string): Promise<void> {
    await Promise.all(this.#copies.values());
    this.#copies.clear();
    this.#bytes = 0;
    await fs.rm(place, { recursive: true, force: true });
  }

  /** Copies a file with its time and mode. Returns whether the copy exists. */
  async #copy(
    file: string,
    copy: string,
    unfinished: string,
  ): Promise<boolean> {
    const before = await fs.lstat(file);
    if (!before.isFile() || before.size > MAX_FILE_BYTES) return false;
    if (await exists(copy)) return true;
    if (this.#bytes + before.size > MAX_BYTES) return false;
    this.#bytes += before.size;
    // Other users must not read a file that only its folder protects.
    await fs.mkdir(dirname(copy), { recursive: true, mode: 0o700 });
    try {
      await fs.copyFile(file, unfinished, fs.constants.COPYFILE_FICLONE);
      const after = await fs.lstat(file);
      const isSame = after.mtimeMs === before.mtimeMs &&
        after.size === before.size;
      if (!isSame) return false;
      await fs.utimes(unfinished, before.atimeMs / 1000, before.mtimeMs / 1000);
      await fs.rename(unfinished, copy);
      return true;
    } finally {
      await fs.rm(unfinished, { force: true });
    }
  }
}

function exists(file: string): Promise<boolean> {
  return fs.access(file).then(() => true, () => false);
}
