import { DeltarError } from "../bytes/errors.ts";
import { fs } from "../bytes/node.ts";
import { sha256 } from "../bytes/sha256.ts";

/** The size in bytes of each page of a range. The last page can be smaller. */
export const PAGE_BYTES: number = 1 << 16;
/**
 * The size in bytes of the checksum of a page. The checksum is the beginning of
 * the page's SHA-256.
 */
const SUM_BYTES = 16;
/** The maximum number of bytes that one system call reads. */
const MAX_READ_BYTES = 2 ** 30;

/**
 * A range of an open file that is read in pages. The range has a checksum of
 * each page, to detect that the file was overwritten. The pages can still be
 * read after another file has replaced the file, or the file was deleted.
 */
export class FileRange implements Disposable {
  /** The length of the range in bytes. */
  readonly length: number;
  /**
   * Whether a page could not be read or did not match its checksum, or there
   * was too little memory for the range.
   */
  isBroken = false;
  readonly #start: number;
  readonly #sums: Uint8Array;
  /** The descriptor of the file; `undefined` if it has been closed. */
  #file: number | undefined;

  /**
   * Makes a range. Each page must be given to `remember` before it is read.
   *
   * @param file The descriptor of the open file, which the range closes.
   * @param start The offset of the range in the file, in bytes.
   * @param length The length of the range in bytes.
   */
  constructor(file: number, start: number, length: number) {
    this.#file = file;
    this.#start = start;
    this.length = length;
    this.#sums = new Uint8Array(SUM_BYTES * Math.ceil(length / PAGE_BYTES));
  }

  /** Remembers the checksum of a page. */
  remember(page: number, bytes: Uint8Array): void {
    this.#sums.set(sumOf(bytes), SUM_BYTES * page);
  }

  /** Returns the length of a page in bytes; 0 after the last page. */
  lengthOf(page: number): number {
    return Math.max(0, Math.min(PAGE_BYTES, this.length - PAGE_BYTES * page));
  }

  /**
   * Reads a page and checks it.
   *
   * @param page The number of the page.
   * @param target The array to fill. It has the length of the page.
   * @throws {DeltarError} `io` if the file cannot be read; `truncated` if the
   * file became shorter; `corrupt` if the page has changed.
   * @throws {TypeError} If the range has been closed.
   */
  read(page: number, target: Uint8Array): void {
    if (this.#file === undefined) throw new TypeError("the file is closed");
    const offset = this.#start + PAGE_BYTES * page;
    try {
      readAt(this.#file, target, offset);
      const sum = sumOf(target);
      const start = SUM_BYTES * page;
      if (!sum.every((byte, at) => byte === this.#sums[start + at])) {
        throw new DeltarError("corrupt", "the file was overwritten", {
          offset,
        });
      }
    } catch (error) {
      this.isBroken = true;
      throw error;
    }
  }

  /**
   * Returns whether the open file is at a path. Returns `false` if the file was
   * replaced, deleted or closed.
   */
  isAt(path: string): boolean {
    if (this.#file === undefined) return false;
    try {
      const opened = fs.fstatSync(this.#file, { bigint: true });
      const found = fs.statSync(path, { bigint: true });
      return opened.dev === found.dev && opened.ino === found.ino;
    } catch {
      return false;
    }
  }

  /**
   * Closes the file. Does nothing if it has been closed. Errors of the system
   * are ignored.
   */
  [Symbol.dispose](): void {
    const file = this.#file;
    if (file === undefined) return;
    // Even if closing fails, the system can give the descriptor to another
    // file. A second attempt could then close that file.
    this.#file = undefined;
    try {
      fs.closeSync(file);
    } catch {
      // The file was only read, so nothing is lost.
    }
  }
}

function sumOf(page: Uint8Array): Uint8Array {
  return sha256(page).subarray(0, SUM_BYTES);
}

/**
 * Fills an array with bytes of an open file.
 *
 * @param file The descriptor of the file.
 * @param target The array. An array of more than 1 GiB is filled in several
 * steps, because a system call can read at most 2 GiB.
 * @param offset The offset of the first byte in the file, in bytes.
 * @throws {DeltarError} `io` if the file cannot be read; `truncated` if the
 * file ends before the array is full.
 */
export function readAt(file: number, target: Uint8Array, offset: number): void {
  for (let at = 0; at < target.length;) {
    const length = Math.min(target.length - at, MAX_READ_BYTES);
    let got: number;
    try {
      got = fs.readSync(file, target, at, length, offset + at);
    } catch (cause) {
      throw new DeltarError("io", "cannot read the file", { cause });
    }
    if (got === 0) {
      throw new DeltarError("truncated", "the file became shorter", {
        offset: offset + at,
      });
    }
    at += got;
  }
}
