import { DeltarError } from "../bytes/errors.ts";
import type { RandomAccess } from "../delta/random_access.ts";
import type { OpenFile } from "./folder.ts";
import { openFile } from "./read_file.ts";

/**
 * A file that can be read at any offset, such as the basis of a delta. See
 * {@linkcode fileAccess}.
 */
export class FileAccess implements RandomAccess {
  /** The length in bytes when the file was opened. */
  readonly size: number;
  readonly #file: OpenFile;

  /**
   * Opens a file.
   *
   * @param file The open file, which `close` closes, or the path of a file. A
   * path that is a symlink is refused.
   * @throws {Error} The system's error, with its `code`, if the file cannot be
   * opened. The code is `ELOOP` for a symlink.
   */
  constructor(file: OpenFile | string) {
    this.#file = typeof file === "string" ? openFile(file) : file;
    this.size = this.#file.stat().size;
  }

  /**
   * See {@linkcode RandomAccess.read}.
   *
   * @throws {DeltarError} `truncated` if the file has fewer than
   * `offset + length` bytes, for example because it became shorter.
   * @throws {Error} The system's error, with its `code`, if the file cannot be
   * read.
   */
  read(offset: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    for (let at = 0; at < length;) {
      const got = this.#file.read(bytes.subarray(at), offset + at);
      if (got === 0) {
        throw new DeltarError(
          "truncated",
          "the file shrank while it was being read",
          {
            object: this.#file.place,
            offset: offset + at,
          },
        );
      }
      at += got;
    }
    return bytes;
  }

  /** Closes the file. */
  close(): void {
    this.#file.close();
  }

  /** Closes the file at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.close();
  }
}

/**
 * Opens a file, such as the basis that `patch` needs, for reading at any
 * offset.
 *
 * @param path The path, in the syntax of the operating system. A symlink is
 * refused.
 * @returns The open file. Close it with `using` or `close`.
 * @throws {Error} The system's error, if the file cannot be opened. Its `code`
 * is, for example, `ENOENT` if the file does not exist, `ELOOP` for a symlink,
 * or `EISDIR` for a folder.
 *
 * @example
 * ```ts
 * import { delta, patch, sign } from "@deltar/deltar";
 * import { fileAccess } from "@deltar/deltar/tree";
 * import assert from "node:assert/strict";
 * import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
 *
 * const folder = mkdtempSync("example-");
 * try {
 *   writeFileSync(`${folder}/old`, "a line\n".repeat(1000));
 *   const next = new TextEncoder().encode("a line\n".repeat(1001));
 *   using old = fileAccess(`${folder}/old`);
 *   const signature = await sign([old.read(0, old.size)], { size: old.size });
 *   const change = delta(signature, next);
 *   assert.deepEqual(await new Response(patch(old, change)).bytes(), next);
 * } finally {
 *   rmSync(folder, { recursive: true });
 * }
 * ```
 */
export function fileAccess(path: string): FileAccess {
  return new FileAccess(path);
}
