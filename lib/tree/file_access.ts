import { DeltarError } from "../bytes/errors.ts";
import type { RandomAccess } from "../delta/random_access.ts";
import type { OpenFile } from "./folder.ts";
import { openFile } from "./read_file.ts";

/** A file that can be read at any offset, such as the basis of a delta. */
export class FileAccess implements RandomAccess {
  /** The length in bytes when the file was opened. */
  readonly size: number;
  readonly #file: OpenFile;

  /**
   * Opens a file.
   *
   * @param file The open file, which `close` closes, or the path of a file. A
   * path that is a symlink is refused.
   */
  constructor(file: OpenFile | string) {
    this.#file = typeof file === "string" ? openFile(file) : file;
    this.size = this.#file.stat().size;
  }

  /** See {@linkcode RandomAccess.read}. */
  read(offset: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    for (let at = 0; at < length;) {
      const got = this.#file.read(bytes.subarray(at), offset + at);
      if (got === 0) {
        throw new DeltarError("truncated", "the file became shorter", {
          object: this.#file.place,
          offset: offset + at,
        });
      }
      at += got;
    }
    return bytes;
  }

  /** Closes the file. */
  close(): void {
    this.#file.close();
  }
}
