import * as fs from "node:fs/promises";
import { dirname, join } from "node:path";

/** The maximum size of a file that is copied, in bytes. */
const MAX_FILE_BYTES = 64 * 2 ** 20;
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

  /**
   * Copies a file, unless it has a copy, is not a regular file or is too large.
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
    const copy = copyFile(file, join(place, path), unfinished)
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
    await fs.rm(place, { recursive: true, force: true });
  }
}

/** Copies a file with its time and mode. Returns whether the copy exists. */
async function copyFile(
  file: string,
  copy: string,
  unfinished: string,
): Promise<boolean> {
  const before = await fs.lstat(file);
  if (!before.isFile() || before.size > MAX_FILE_BYTES) return false;
  if (await exists(copy)) return true;
  // Other users may not read a file that only its folder protects.
  await fs.mkdir(dirname(copy), { recursive: true, mode: 0o700 });
  try {
    await fs.copyFile(file, unfinished, fs.constants.COPYFILE_FICLONE);
    const after = await fs.lstat(file);
    if (after.mtimeMs !== before.mtimeMs || after.size !== before.size) {
      return false;
    }
    await fs.utimes(unfinished, before.atimeMs / 1000, before.mtimeMs / 1000);
    await fs.rename(unfinished, copy);
    return true;
  } finally {
    await fs.rm(unfinished, { force: true });
  }
}

function exists(file: string): Promise<boolean> {
  return fs.access(file).then(() => true, () => false);
}
