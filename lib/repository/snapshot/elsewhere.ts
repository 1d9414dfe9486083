import type { ContentElsewhere } from "../../archive/data_packer.ts";
import { fillHex } from "../../bytes/hex.ts";
import { WordRows } from "../../bytes/word_rows.ts";
import type { Storage } from "../../storage/storage.ts";
import { storedSize } from "../../tree/entry_line.ts";
import { decodeName, encodeNameInto } from "../../tree/raw_name.ts";
import { MAX_WHOLE_BYTES } from "../../tree/read_file.ts";
import { type DamageHandler, isDamage } from "../../bytes/errors.ts";
import { idBehind } from "../format/names.ts";
import { LayerReader } from "../layers/layer_reader.ts";
import { mergeLayers } from "../layers/merge_layers.ts";
import type { TreeEntry } from "../layers/tree_layer.ts";
import { isEntry, linesOf, TreeFinder } from "../layers/tree_reader.ts";
import type { ObjectRecord, ReadRecord } from "../format/snapshot_record.ts";
import { Run } from "../runs/run.ts";

/**
 * The maximum number of contents in the table. The contents of the newest
 * snapshots are added first.
 */
const MAX_CONTENTS = 4_000_000;
/** The maximum total size of the paths in the table, in bytes. */
const MAX_PATH_BYTES = 2 ** 29;

/** A snapshot of another directory. */
interface OtherTree {
  read: ReadRecord;
  finder: TreeFinder;
  /** The volumes that the entries need. */
  objects: ObjectRecord[];
  /** Whether `has` found a content of this tree. */
  isUsed: boolean;
}

/**
 * The contents in the latest snapshots of other directories of the repository.
 * The first snapshot of a directory reuses these contents for files with the
 * same SHA-256. Each content takes only about a hundred bytes of memory,
 * because it is kept in typed arrays rather than in JavaScript objects.
 */
export class Elsewhere implements ContentElsewhere, AsyncDisposable {
  readonly #storage: Storage;
  readonly #trees: OtherTree[] = [];
  readonly #largeSizes = new Set<number>();
  readonly #contents = new ContentTable();
  readonly #runs: Run[] = [];

  private constructor(storage: Storage) {
    this.#storage = storage;
  }

  /**
   * Reads the trees of snapshots of other directories.
   *
   * @param storage The repository's storage.
   * @param others The snapshots. If several snapshots have the same content,
   * the first one is used.
   * @param onDamage Called with the error of each tree that cannot be read
   * completely. From such a tree, only the contents that were read before the
   * error are used.
   * @param signal The signal that ends the work with an error of code
   * `aborted`.
   * @returns The contents; `undefined` if there are none.
   */
  static async read(
    storage: Storage,
    others: Iterable<ReadRecord>,
    onDamage: DamageHandler = () => {},
    signal?: AbortSignal,
  ): Promise<Elsewhere | undefined> {
    const found = new Elsewhere(storage);
    for (const other of others) {
      if (found.#contents.isFull) break;
      try {
        await found.#addTree(other, signal);
      } catch (error) {
        if (!isDamage(error)) throw error;
        onDamage(error);
      }
    }
    return found.#contents.length === 0 ? undefined : found;
  }

  /** See {@linkcode ContentElsewhere.hasLargeSize}. */
  hasLargeSize(size: number): boolean {
    return this.#largeSizes.has(size);
  }

  /** See {@linkcode ContentElsewhere.has}. */
  has(sha256: string): boolean {
    const found = this.#contents.find(sha256);
    if (found === undefined) return false;
    this.#trees[found.tree].isUsed = true;
    return true;
  }

  /**
   * Returns the entry of a file with the given SHA-256; `undefined` if there is
   * none.
   */
  async find(sha256: string): Promise<TreeEntry | undefined> {
    const found = this.#contents.find(sha256);
    if (found === undefined) return undefined;
    return await this.#trees[found.tree].finder.find(found.path);
  }

  /** The volumes that might contain the contents that `has` found. */
  get objects(): ObjectRecord[] {
    return this.#used().flatMap(({ objects }) => objects);
  }

  /**
   * Keeps prunes from deleting the contents that `has` found, until this
   * instance is disposed of. For each snapshot with such contents, stores an
   * intent like that of a run that builds on the snapshot.
   *
   * @param id The id of the run that reuses the contents.
   * @throws {DeltarError} `conflict` if one of the snapshots was removed after
   * it was read.
   */
  async hold(id: string): Promise<void> {
    for (const { read } of this.#used()) {
      id = idBehind(id, Date.now(), Math.random());
      const run = new Run({ storage: this.#storage }, { id, parent: read });
      this.#runs.push(run);
      await run.begin();
    }
  }

  /** Ends the protection that `hold` began. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const run of this.#runs.splice(0)) await run[Symbol.asyncDispose]();
  }

  #used(): OtherTree[] {
    return this.#trees.filter(({ isUsed }) => isUsed);
  }

  async #addTree(read: ReadRecord, signal?: AbortSignal): Promise<void> {
    const { layers } = read.record;
    const objects: ObjectRecord[] = [];
    const number = this.#trees.push({
      read,
      finder: new TreeFinder(this.#storage, layers),
      objects,
      isUsed: false,
    }) - 1;
    const merged = mergeLayers(layers.map((layer) =>
      linesOf(
        new LayerReader(this.#storage, layer).parts({ signal }),
        (part) => objects.push(...part.objects),
      )
    ));
    for await (const lines of merged) {
      for (const line of lines) {
        if (!isEntry(line) || line.content === undefined) continue;
        const { kind, path, size, sha256 } = line;
        if (size === 0 || sha256 === undefined) continue;
        if (!this.#contents.add(sha256, number, path)) continue;
        if (kind === "file" && size > MAX_WHOLE_BYTES) {
          this.#largeSizes.add(storedSize(line));
        }
      }
    }
  }
}

/**
 * The positions of the 32-bit words in a row of the table. The first eight
 * words are the SHA-256. The words at `start` and `end` are the range of the
 * path in `#paths`, in bytes. `length` is the number of words.
 */
const WORD = { tree: 8, start: 9, end: 10, length: 11 } as const;

/**
 * A table with the SHA-256 of each content, the number of its tree and its path
 * in this tree.
 */
class ContentTable {
  readonly #rows = new WordRows(WORD.length);
  #paths = new Uint8Array(1 << 16);
  #end = 0;
  /** A hash table of row numbers, each increased by one; 0 is a free slot. */
  #slots = new Uint32Array(1 << 10);
  readonly #sum = new Uint8Array(32);
  readonly #words = new Uint32Array(this.#sum.buffer);

  get length(): number {
    return this.#rows.length;
  }

  get isFull(): boolean {
    return this.length >= MAX_CONTENTS || this.#end >= MAX_PATH_BYTES;
  }

  /**
   * Adds a content, unless it is in the table or the table is full. Returns
   * whether the content was added.
   */
  add(sha256: string, tree: number, path: string): boolean {
    fillHex(this.#sum, sha256);
    if (this.isFull || this.#slots[this.#slot()] > 0) return false;
    if (2 * (this.length + 1) > this.#slots.length) this.#grow();
    const most = this.#end + 3 * path.length;
    if (most > this.#paths.length) {
      const longer = new Uint8Array(2 * most);
      longer.set(this.#paths.subarray(0, this.#end));
      this.#paths = longer;
    }
    const written = encodeNameInto(path, this.#paths.subarray(this.#end)) ?? 0;
    fillHex(this.#sum, sha256);
    const slot = this.#slot();
    const row = this.#rows.push();
    for (const [at, word] of this.#words.entries()) {
      this.#rows.set(row, at, word);
    }
    this.#rows.set(row, WORD.tree, tree);
    this.#rows.set(row, WORD.start, this.#end);
    this.#end += written;
    this.#rows.set(row, WORD.end, this.#end);
    this.#slots[slot] = row + 1;
    return true;
  }

  find(sha256: string): { tree: number; path: string } | undefined {
    fillHex(this.#sum, sha256);
    const row = this.#slots[this.#slot()] - 1;
    if (row < 0) return undefined;
    const get = (word: number) => this.#rows.get(row, word);
    const path = this.#paths.subarray(get(WORD.start), get(WORD.end));
    return { tree: get(WORD.tree), path: decodeName(path) };
  }

  #grow(): void {
    const rows = this.#slots.filter((row) => row > 0);
    this.#slots = new Uint32Array(2 * this.#slots.length);
    for (const row of rows) {
      for (let at = 0; at < 8; at++) {
        this.#words[at] = this.#rows.get(row - 1, at);
      }
      this.#slots[this.#slot()] = row;
    }
  }

  /** Returns the slot of the SHA-256 in `#sum`, or the free slot for it. */
  #slot(): number {
    const mask = this.#slots.length - 1;
    for (let slot = this.#words[0] & mask;; slot = slot + 1 & mask) {
      const row = this.#slots[slot] - 1;
      if (row < 0 || this.#isSum(row)) return slot;
    }
  }

  #isSum(row: number): boolean {
    for (let at = 0; at < 8; at++) {
      if (this.#rows.get(row, at) !== this.#words[at]) return false;
    }
    return true;
  }
}
