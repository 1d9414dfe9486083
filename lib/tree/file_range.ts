import { DeltarError } from "../bytes/errors.ts";
import { fs } from "../bytes/node.ts";

/** Closes the file of a range that is no longer in use. */
const unused = new FinalizationRegistry<number>((file) => fs.closeSync(file));

/**
 * A range of an open file that is read on demand. The file can be replaced or
 * deleted in the meantime. It is closed when nothing refers to the range.
 */
export class FileRange {
  /** The length of the range in bytes. */
  readonly length: number;
  /** Whether reading the range has failed. */
  isBroken = false;
  readonly #file: number;
  readonly #start: number;

  /**
   * Makes a range.
   *
   * @param file The descriptor of the open file. The range closes it.
   * @param start The offset of the range in the file, in bytes.
   * @param length The length of the range in bytes.
   */
  constructor(file: number, start: number, length: number) {
    this.#file = file;
    this.#start = start;
    this.length = length;
    unused.register(this, file);
  }

  /**
   * Fills an array with bytes of the range.
   *
   * @param target The array.
   * @param offset The offset of the first byte in the range.
   * @throws {DeltarError} `io` if the file cannot be read; `truncated` if the
   * file became shorter.
   */
  read(target: Uint8Array, offset: number): void {
    try {
      readAt(this.#file, target, this.#start + offset);
    } catch (error) {
      this.isBroken = true;
      throw error;
    }
  }
}

/**
 * Fills an array with bytes of an open file.
 *
 * @param file The descriptor of the file.
 * @param target The array.
 * @param offset The offset of the first byte in the file.
 * @throws {DeltarError} `io` if the file cannot be read; `truncated` if the
 * file ends before the array is full.
 */
export function readAt(file: number, target: Uint8Array, offset: number): void {
  for (let at = 0; at < target.length;) {
    let got: number;
    try {
      got = fs.readSync(file, target, at, target.length - at, offset + at);
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
