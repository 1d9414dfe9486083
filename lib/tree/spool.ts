import { fs, nodeOs, nodePath } from "../bytes/node.ts";
import { concat } from "../bytes/source.ts";
import { bytesAccess, type RandomAccess } from "../delta/random_access.ts";
import { FileAccess } from "./file_access.ts";
import type { OpenFile } from "./folder.ts";
import { openFolder } from "./open_folder.ts";
import { readPieces } from "./read_file.ts";

/**
 * A buffer for bytes that are written once and read soon after, when their
 * number is not known in advance. By default, up to 8 MiB are kept in memory. A
 * larger number of bytes is kept in a temporary file. If the system allows it,
 * the name of the file is deleted immediately, so a killed process leaves
 * nothing behind.
 */
export class Spool {
  /** The number of bytes written. */
  size = 0;
  #parts: Uint8Array[] = [];
  /** A buffer that collects small writes. */
  #buffer: Uint8Array | undefined;
  #used = 0;
  /** The number of bytes written before those in the buffer. */
  #kept = 0;
  #file: { folder: string; file: OpenFile } | undefined;
  readonly #inMemory: number;

  /**
   * Makes an empty spool.
   *
   * @param inMemory The maximum number of bytes to keep in memory, not counting
   * a buffer of 64 KiB. Default: 8 MiB.
   */
  constructor(inMemory: number = 8 << 20) {
    this.#inMemory = inMemory;
  }

  /** Appends a copy of the given bytes. */
  write(bytes: Uint8Array): void {
    this.size += bytes.length;
    if (bytes.length >= BUFFER_BYTES) {
      this.#flush();
      this.#keep(bytes);
      return;
    }
    if (this.#used + bytes.length > BUFFER_BYTES) this.#flush();
    this.#buffer ??= new Uint8Array(BUFFER_BYTES);
    this.#buffer.set(bytes, this.#used);
    this.#used += bytes.length;
  }

  #flush(): void {
    if (this.#buffer === undefined || this.#used === 0) return;
    const bytes = this.#buffer.subarray(0, this.#used);
    this.#used = 0;
    this.#keep(bytes);
  }

  #keep(bytes: Uint8Array): void {
    if (this.#file === undefined) {
      this.#parts.push(bytes.slice());
      this.#kept += bytes.length;
      if (this.#kept > this.#inMemory) this.#spill();
      return;
    }
    this.#file.file.write(bytes, this.#kept);
    this.#kept += bytes.length;
  }

  /** Appends all bytes of a source. */
  async fill(source: AsyncIterable<Uint8Array>): Promise<void> {
    for await (const part of source) this.write(part);
  }

  /**
   * Yields all bytes that were written, in order.
   *
   * @param buffer A buffer to read into, if the bytes are in a temporary file.
   * Each part is then valid until the next part is read. Without a buffer, or
   * if the bytes are in memory, each part remains valid.
   */
  *read(buffer?: Uint8Array): Generator<Uint8Array> {
    this.#flush();
    if (buffer !== undefined && this.#file !== undefined) {
      yield* readPieces(this.#file.file, this.size, buffer);
      return;
    }
    const access = this.access();
    for (let at = 0; at < access.size; at += READ_BYTES) {
      yield access.read(
        at,
        Math.min(READ_BYTES, access.size - at),
      ) as Uint8Array;
    }
  }

  /**
   * Returns random access to the bytes written so far. The access is valid
   * until the spool is disposed of.
   */
  access(): RandomAccess {
    this.#flush();
    if (this.#file === undefined) return bytesAccess(concat(this.#parts));
    return new FileAccess(this.#file.file);
  }

  /**
   * Frees the memory and deletes the temporary file, if any, at the end of a
   * `using` block.
   */
  [Symbol.dispose](): void {
    this.dispose();
  }

  /** Frees the memory and deletes the temporary file, if any. */
  dispose(): void {
    this.#parts = [];
    this.#buffer = undefined;
    this.#used = 0;
    if (this.#file === undefined) return;
    this.#file.file.close();
    remove(this.#file.folder);
    this.#file = undefined;
  }

  #spill(): void {
    const folder = fs.mkdtempSync(nodePath.join(nodeOs.tmpdir(), "deltar-"));
    const opened = openFolder(folder);
    const file = opened.createFile("spool", 0o600);
    opened.close();
    this.#file = { folder, file };
    try {
      remove(folder);
    } catch {
      // Windows does not delete an open file. `dispose` closes the file and
      // then deletes the folder.
    }
    let at = 0;
    for (const part of this.#parts) {
      file.write(part, at);
      at += part.length;
    }
    this.#parts = [];
  }
}

function remove(folder: string): void {
  fs.rmSync(folder, { recursive: true, force: true });
}

/** The size in bytes of the buffer that collects smaller writes. */
const BUFFER_BYTES = 1 << 16;

/** The maximum number of bytes read at a time. */
const READ_BYTES = 1 << 20;
