import { toHex } from "../bytes/hex.ts";
import { sha256 } from "../bytes/sha256.ts";
import { chunks } from "../bytes/source.ts";
import { chooseBlockSize } from "../delta/block_size.ts";
import { FileScan } from "../delta/file_scan.ts";
import { signBytes } from "../delta/sign.ts";
import type { Signature } from "../delta/signature.ts";
import type { IndexFileEntry } from "./dir_index.ts";
import type { FileEntry } from "./entry.ts";

/** The facts that one pass over a file collects. */
export interface FileFacts {
  /** The number of bytes that were read. */
  size: number;
  /** Their SHA-256 in hexadecimal. */
  sha256: string;
  /** Their block checksums, if the file is large enough. */
  signature?: Signature;
}

/**
 * A receiver of the content of each file that an index reads. What it finds out
 * of a file goes with the file's entry to the {@linkcode EntrySink}.
 */
export interface FileReader<Facts extends FileFacts = FileFacts> {
  /**
   * A file of at most 1 MiB, whole.
   *
   * @param entry What is known of it; `size` is the length of `bytes`.
   * @param bytes Its content, valid until this returns or what it returned is
   * fulfilled.
   * @param before The file of this path in the previous index.
   */
  whole(
    entry: FileEntry,
    bytes: Uint8Array,
    before: IndexFileEntry | undefined,
  ): Facts | Promise<Facts>;

  /**
   * A larger file.
   *
   * @param entry What is known of it; `size` is what it had when found.
   * @param open Reads it from the start, in pieces, each of which is valid until
   * the next is pulled; may be called again when that ended. The pieces end
   * early if the file does.
   * @param before The file of this path in the previous index.
   */
  pieces(
    entry: FileEntry,
    open: () => Iterable<Uint8Array>,
    before: IndexFileEntry | undefined,
  ): Promise<Facts>;

  /**
   * A file will be handed over soon, so what it is compared with may be fetched.
   *
   * @param before The file of this path in the previous index.
   */
  expect?(before: IndexFileEntry): void;

  /** Resolves when there is room for the next file; absent, there always is. */
  ready?(): Promise<void> | undefined;
}

/** Files below this many bytes get no signature unless asked for. */
export const SIGNATURE_MINIMUM = 4096;

/** Reads files for their SHA-256 and their block checksums. */
export class HashReader implements FileReader {
  readonly #minimum: number;

  /**
   * Makes a reader.
   *
   * @param signatureMinimum Files of fewer bytes get no signature: a delta
   * would not pay. Default: 4096.
   */
  constructor(signatureMinimum: number = SIGNATURE_MINIMUM) {
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
