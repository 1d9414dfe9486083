import { fromBase64, toBase64 } from "../bytes/base64.ts";
import type { SignalOptions } from "../bytes/abort.ts";
import {
  callback,
  checkOptions,
  flag,
  signal,
} from "../bytes/check_options.ts";
import { DeltarError } from "../bytes/errors.ts";
import { concat } from "../bytes/source.ts";
import { atOnce } from "../bytes/turns.ts";
import { Signature } from "../delta/signature.ts";
import type { Metadata, NonFileEntry, Skipped } from "./entry.ts";
import {
  checkOrder,
  decodeEntry,
  decodeMetadata,
  encodeEntry,
  encodeMetadata,
  type HashedFileEntry,
  LATER_VERSION,
  versionOf,
} from "./entry_line.ts";
import { decodeFile, writeFileAtomic } from "./file.ts";
import { HashReader } from "./file_reader.ts";
import { type IndexOptions, indexTree } from "./index_tree.ts";
import { decodeLines, type Line, linePieces } from "../bytes/listing.ts";
import { comparePaths } from "./path.ts";
import { decodeSkipped, encodeSkipped } from "./skipped_line.ts";
import { toJson, withJson } from "./to_json.ts";
import { checkWalker, type Walker } from "./walker.ts";

/** The entry of a file in an index. */
export interface IndexFileEntry extends HashedFileEntry {
  /**
   * The block checksums. Absent if the file is too small for deltas to save
   * space: with the default reader, less than 4,096 bytes.
   */
  signature?: Signature;
}

/** An entry of an index. */
export type IndexEntry = IndexFileEntry | NonFileEntry;

const FORMAT = "deltar-index";
const EMPTY_ROOT: Metadata = withJson({
  mode: 0o755,
  mtime: 0n,
  uid: 0,
  gid: 0,
});

/**
 * The state of a directory: its entries in path order, with the SHA-256 of each
 * file and the block checksums of each file that is large enough for deltas. To
 * find and store the changes, a backup needs only the index of the previous
 * backup, not the content of that backup.
 *
 * @example Index a directory, store the index and read it again
 * ```ts
 * import { Dir, DirIndex } from "@deltar/deltar";
 * import assert from "node:assert/strict";
 * import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
 *
 * const folder = mkdtempSync("example-");
 * try {
 *   writeFileSync(`${folder}/hello.txt`, "hello");
 *   const index = await DirIndex.of(new Dir(folder));
 *   await index.toFile(`${folder}/../example.index`);
 *   const again = await DirIndex.fromFile(`${folder}/../example.index`);
 *   assert.equal(again.get("hello.txt")?.size, 5);
 * } finally {
 *   rmSync(folder, { recursive: true });
 *   rmSync("example.index");
 * }
 * ```
 */
export class DirIndex {
  /** All entries, in path order. */
  readonly entries: readonly IndexEntry[];
  /** The state of the directory itself. */
  readonly root: Metadata;
  /** The paths that were skipped or excluded, with the reasons. */
  readonly skipped: readonly Skipped[];
  #byPath: Map<string, IndexEntry> | undefined;
  #asked = 0;
  #byContent: Map<string, IndexEntry> | undefined;

  /**
   * Makes an index from entries that are in path order.
   *
   * @param entries The entries, in path order.
   * @param root The state of the directory itself. Default: mode 0755, and 0
   * for the time and the owner.
   * @param skipped The paths that were skipped or excluded, with the reasons.
   * Default: none.
   */
  constructor(
    entries: readonly IndexEntry[],
    root: Metadata = EMPTY_ROOT,
    skipped: readonly Skipped[] = [],
  ) {
    this.entries = entries;
    this.root = root;
    this.skipped = skipped;
  }

  /**
   * Returns an empty index. A full backup is the difference from this index.
   */
  static empty(): DirIndex {
    return new DirIndex([]);
  }

  /**
   * Walks a directory and returns its index. All files are read, except those
   * that are known to be unchanged.
   *
   * @param dir The directory to index.
   * @param options Options for making the index.
   * @throws {DeltarError} `not-found` or `io` if the directory itself cannot be
   * read; `aborted` if the signal fired; and the errors of `options.reader`.
   * @throws {TypeError} If `dir` is not a `Dir` or `Walker`, or an option has
   * the wrong type.
   */
  static async of(dir: Walker, options: IndexOptions = {}): Promise<DirIndex> {
    checkWalker(dir);
    checkOptions("DirIndex.of()", options, {
      unchanged: callback,
      onSkip: callback,
      onProgress: callback,
      measure: flag,
      signal,
    });
    const entries: IndexEntry[] = [];
    const sink = {
      add: (entry: IndexEntry) => void entries.push(withJson(entry)),
    };
    const { reader = new HashReader() } = options;
    const { root, skipped } = await indexTree(dir, sink, reader, options);
    return new DirIndex(entries, root, skipped);
  }

  /** The number of entries. */
  get length(): number {
    return this.entries.length;
  }

  /**
   * Returns the entry with the given number.
   *
   * @param number The position in `entries`, counted from 0.
   */
  at(number: number): IndexEntry {
    return this.entries[number];
  }

  /**
   * Returns the path of the entry with the given number.
   *
   * @param number The position in `entries`, counted from 0.
   */
  path(number: number): string {
    return this.entries[number].path;
  }

  /**
   * Returns the entry of a path, or `undefined` if the index does not contain
   * the path.
   *
   * @param path The path below the root.
   */
  get(path: string): IndexEntry | undefined {
    if (this.#byPath === undefined) {
      // A map of all entries takes a lot of memory, so it is made only when the
      // number of lookups has reached 1/32 of the number of entries.
      if (this.#asked++ < this.entries.length / 32) return this.#search(path);
      this.#byPath = new Map(this.entries.map((entry) => [entry.path, entry]));
    }
    return this.#byPath.get(path);
  }

  /**
   * Returns the first file, in path order, with the given content, or
   * `undefined` if no file has this content.
   *
   * @param sha256 The SHA-256 of the content in hexadecimal.
   */
  findContent(sha256: string): IndexEntry | undefined {
    if (this.#byContent === undefined) {
      this.#byContent = new Map();
      for (const entry of this.entries) {
        if (entry.sha256 !== undefined && !this.#byContent.has(entry.sha256)) {
          this.#byContent.set(entry.sha256, entry);
        }
      }
    }
    return this.#byContent.get(sha256);
  }

  #search(path: string): IndexEntry | undefined {
    let low = 0;
    let high = this.entries.length;
    while (low < high) {
      const middle = low + high >>> 1;
      const order = comparePaths(this.entries[middle].path, path);
      if (order === 0) return this.entries[middle];
      if (order < 0) low = middle + 1;
      else high = middle;
    }
    return undefined;
  }

  /** Returns the index for `JSON.stringify`; see {@linkcode toJson}. */
  toJSON(): unknown {
    const { root, entries, skipped } = this;
    return toJson({ root, entries, skipped });
  }

  /**
   * Returns the index as the bytes of an index file, in the format that
   * docs/FORMAT.md describes.
   */
  encode(): Uint8Array {
    return concat([...this.#pieces()]);
  }

  /**
   * Reads the bytes of an index file.
   *
   * @param bytes The whole file.
   * @param object The name of the file, for errors.
   * @throws {DeltarError} `truncated` if the first or last line is incomplete;
   * `corrupt` if another part is invalid; `unsafe` if a path is invalid, such
   * as one that leads out of the directory or is too long; `limit` if the first
   * line is longer than 1 MiB and has more than one JSON object or array per 8
   * bytes; `unsupported` if the version is newer than this library supports.
   */
  static decode(bytes: Uint8Array, object = "index"): DirIndex {
    return atOnce(decodeSteps(bytes, object));
  }

  /**
   * Stores the index in a file, and replaces the file if it exists. The file is
   * never incomplete.
   *
   * @param file The path of the file, in the syntax of the operating system.
   * @param options A signal that aborts the writing.
   * @throws {DeltarError} `not-found` if the file's folder does not exist, `io`
   * if the file cannot be written, `aborted` if the signal fired.
   */
  async toFile(file: string, options: SignalOptions = {}): Promise<void> {
    await writeFileAtomic(file, this.#pieces(), options);
  }

  /**
   * Reads an index that `toFile` stored.
   *
   * @param file The path, in the syntax of the operating system.
   * @param options A signal that aborts the reading.
   * @throws {DeltarError} `not-found` if the file does not exist, `limit` if
   * the file is larger than 1 GiB, `io` if the file cannot be read, `aborted`
   * if the signal fired, and the errors of `decode`.
   */
  static async fromFile(
    file: string,
    options: SignalOptions = {},
  ): Promise<DirIndex> {
    return await decodeFile(file, decodeSteps, options);
  }

  #pieces(): Generator<Uint8Array> {
    const header = {
      root: encodeMetadata(this.root),
      entries: this.entries.length,
    };
    const version = versionOf(this.entries);
    return linePieces(FORMAT, version, header, this.#lines());
  }

  *#lines(): Generator<Line> {
    for (const entry of this.entries) {
      const line = encodeEntry(entry);
      if (entry.signature !== undefined) {
        line.signature = toBase64(entry.signature.encode());
      }
      yield line;
    }
    yield* this.skipped.map(encodeSkipped);
  }
}

/**
 * Decodes an index file. Yields after each line, so that the caller can let
 * other tasks run.
 */
function* decodeSteps(
  bytes: Uint8Array,
  object: string,
): Generator<void, DirIndex> {
  const { header, lines } = decodeLines(
    bytes,
    FORMAT,
    LATER_VERSION,
    object,
  );
  const root = decodeMetadata((header.root ?? {}) as Line, object, 0);
  const entries: IndexEntry[] = [];
  const skipped: Skipped[] = [];
  for (const [line, offset] of lines) {
    yield;
    if (line.skipped !== undefined) {
      skipped.push(decodeSkipped(line, object, offset));
      continue;
    }
    const entry: IndexEntry = decodeEntry(line, object, offset);
    checkOrder(entries.at(-1)?.path, entry.path, object, offset);
    if (entry.kind === "file" && typeof line.signature === "string") {
      entry.signature = decodeSignature(line.signature, object, offset);
    }
    entries.push(entry);
  }
  return new DirIndex(entries, root, skipped);
}

function decodeSignature(
  text: string,
  object: string,
  offset: number,
): Signature {
  try {
    return Signature.decode(fromBase64(text));
  } catch (cause) {
    throw new DeltarError("corrupt", "invalid signature of an entry", {
      object,
      offset,
      cause,
    });
  }
}
