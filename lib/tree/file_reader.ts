import { toHex } from "../bytes/hex.ts";
import { sha256 } from "../bytes/sha256.ts";
import { chunks } from "../bytes/source.ts";
import { chooseBlockSize } from "../delta/block_size.ts";
import { FileScan } from "../delta/file_scan.ts";
import { signBytes } from "../delta/sign.ts";
import type { Signature } from "../delta/signature.ts";
import type { IndexFileEntry } from "./dir_index.ts";
import type { FileEntry } from "./entry.ts";

/** The facts about a file that a reader collects. */
export interface FileFacts {
  /**
   * The number of bytes that were read. For a sparse file, the size of the file
   * in bytes.
   */
  size: number;
  /** The SHA-256 of the bytes that were read, in hexadecimal. */
  sha256: string;
  /**
   * The length in bytes of the condensed form of a sparse file. If `sparse` is
   * present, `sha256` and `signature` are those of the condensed form.
   */
  sparse?: number;
  /** The block checksums, if the file is large enough for deltas. */
  signature?: Signature;
}

/** A file of more than 1 MiB, as it is passed to a reader. */
export interface LargeFile extends FileEntry {
  /**
   * The size of the file in bytes, if the file is sparse and is passed in
   * condensed form. Absent for other files.
   */
  fileSize?: number;
}

/**
 * A reader of the content of files. The facts that it returns are passed, with
 * the file's entry, to the {@linkcode EntrySink}.
 */
export interface FileReader<Facts extends FileFacts = FileFacts> {
  /**
   * Whether sparse files of more than 1 MiB are passed in condensed form.
   * Default: `false`.
   */
  readonly condenses?: boolean;

  /**
   * Processes a file of at most 1 MiB, whose content is passed whole.
   *
   * @param entry The entry of the file. `size` is the length of `bytes`, unless
   * the file changed while it was read.
   * @param bytes The content, valid until this method returns or, if it returns
   * a promise, until the promise is settled.
   * @param before The file at this path in the previous index, if any.
   * @returns The facts about the file.
   */
  whole(
    entry: FileEntry,
    bytes: Uint8Array,
    before: IndexFileEntry | undefined,
  ): Facts | Promise<Facts>;

  /**
   * Processes a file of more than 1 MiB, whose content is read in parts.
   *
   * @param entry The entry of the file. `size` is the size of the file when it
   * was opened. If the file is passed in condensed form, `size` is the length
   * of the condensed form, and `fileSize` is the size of the file.
   * @param open Called to read the file from the start. Returns the content in
   * parts. Each part is valid until the next one is read. `open` may be called
   * again after the last part. The parts end early if the file was truncated or
   * cannot be read further.
   * @param before The file at this path in the previous index, if any.
   * @returns The facts about the file.
   */
  pieces(
    entry: LargeFile,
    open: () => Iterable<Uint8Array>,
    before: IndexFileEntry | undefined,
  ): Promise<Facts>;

  /**
   * Called some time before a file is read, so that the reader can fetch the
   * previous content of the file in advance.
   *
   * @param before The entry in the previous index that has the file's path.
   */
  expect?(before: IndexFileEntry): void;

  /**
   * Returns a promise that resolves when the reader can process the next file,
   * or `undefined` if the reader is ready now. A reader without this method is
   * always ready.
   */
  ready?(): Promise<void> | undefined;
}

/** The size in bytes below which files get no signature by default. */
export const DEFAULT_MIN_SIGNED_BYTES = 4096;

/**
 * A reader that computes the SHA-256 and the block checksums of files.
 *
 * @example
 * ```ts
 * import { HashReader } from "@deltar/deltar/tree";
 * import assert from "node:assert/strict";
 *
 * const entry = {
 *   path: "a",
 *   kind: "file" as const,
 *   mode: 0o644,
 *   mtime: 0n,
 *   uid: 0,
 *   gid: 0,
 *   size: 5000,
 * };
 * const { size, signature } = new HashReader().whole(entry, new Uint8Array(5000));
 * assert.equal(size, 5000);
 * assert.equal(signature?.fileSize, 5000);
 * ```
 */
export class HashReader implements FileReader {
  readonly #minimum: number;

  /**
   * Makes a reader.
   *
   * @param signatureMinimum The size in bytes below which files get no
   * signature, since a delta would not save space. Default: 4096.
   */
  constructor(signatureMinimum: number = DEFAULT_MIN_SIGNED_BYTES) {
    this.#minimum = signatureMinimum;
  }

  /** See {@linkcode FileReader.whole}. */
  whole(_entry: FileEntry, bytes: Uint8Array): FileFacts {
    const facts: FileFacts = {
      size: bytes.length,
      sha256: toHex(sha256(bytes)),
    };
    if (bytes.length >= this.#minimum) facts.signature = signBytes(bytes);
    return facts;
  }

  /** See {@linkcode FileReader.pieces}. */
  async pieces(
    entry: FileEntry,
    open: () => Iterable<Uint8Array>,
  ): Promise<FileFacts> {
    const scan = new FileScan({
      blockSize: entry.size >= this.#minimum
        ? chooseBlockSize(entry.size)
        : undefined,
      size: entry.size,
    });
    for await (const piece of chunks(open())) await scan.push(piece);
    const { size, sha256, signature } = await scan.finish();
    return { size, sha256: toHex(sha256), ...(signature && { signature }) };
  }
}
