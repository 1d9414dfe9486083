import { fs } from "../bytes/node.ts";
import { DeltarError } from "../bytes/errors.ts";
import type { RandomAccess } from "../delta/random_access.ts";

/** A file that is read at any place, such as the basis of a delta. */
export class FileAccess implements RandomAccess {
  /** Its length in bytes when it was opened. */
  readonly size: number;
  readonly #fd: number;
  readonly #place: string;

  /**
   * Opens a file; a symlink is refused.
   *
   * @param place A path of the operating system.
   * @param fd The same file, if it is open.
   */
  constructor(place: string, fd?: number) {
    this.#place = place;
    this.#fd = fd ?? fs.openSync(
      place,
      fs.constants.O_RDONLY | (fs.constants.O_NOFOLLOW ?? 0),
    );
    this.size = fs.fstatSync(this.#fd).size;
  }

  /** See {@linkcode RandomAccess.read}. */
  read(offset: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    for (let at = 0; at < length;) {
      const got = fs.readSync(this.#fd, bytes, at, length - at, offset + at);
      if (got === 0) {
        throw new DeltarError("truncated", "the file became shorter", {
          object: this.#place,
          offset: offset + at,
        });
      }
      at += got;
    }
    return bytes;
  }

  /** Closes the file. */
  close(): void {
    fs.closeSync(this.#fd);
  }
}
