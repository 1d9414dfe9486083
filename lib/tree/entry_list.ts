import { fillHex, toHex } from "../bytes/hex.ts";
import { WordRows } from "../bytes/word_rows.ts";
import { bare } from "./change_finder.ts";
import type { IndexEntry } from "./dir_index.ts";
import { encodeEntry, type HashedEntry } from "./entry_line.ts";
import type { FileFacts } from "./file_reader.ts";
import { comparePaths } from "./path.ts";
import { ROOT, type StoredEntries, WORDS } from "./state_entries.ts";
import type { StateWriter } from "./state_writer.ts";
import { ENTRY_FLAG } from "./state_layout.ts";
import { makeDirectory, makeFile } from "./to_json.ts";
import { hasXattrs } from "./xattrs.ts";

/** A sink for the entries of a directory, in path order. */
export interface EntrySink<Facts extends FileFacts = FileFacts> {
  /**
   * Adds the next entry.
   *
   * @param entry The entry. A file's entry has its SHA-256.
   * @param place The number of the first word of the entry's state in the
   * walk's `StateWriter`.
   * @param isOther Whether the entry differs from its state in the
   * `StateWriter`, because the file changed before it was read.
   * @param facts The facts that the file's reader collected, if it was read.
   */
  add(
    entry: IndexEntry,
    place: number,
    isOther: boolean,
    facts: Facts | undefined,
  ): void;
}

/**
 * The entries of a directory in path order, without their block checksums. The
 * list takes 40 bytes for each entry, and an object for each entry that is not
 * fully described by its state. Names, modes and times stay in the walk's
 * `StateWriter`.
 */
export class EntryList {
  readonly #states: StateWriter;
  readonly #isFlat: boolean;
  readonly #rows = new WordRows(WORDS.length);
  /**
   * The entries that are not fully described by their state, by number: links,
   * sparse files, named pipes, devices, files that changed before they were
   * read, and entries with extended attributes.
   */
  readonly #odd = new Map<number, HashedEntry>();
  /**
   * The folders that can contain the next entry, each inside the previous one.
   */
  readonly #open: { inside: string; number: number }[] = [];
  #folder = { number: ROOT, path: "" };

  /**
   * Makes an empty list.
   *
   * @param states The writer that contains the states of the entries.
   * @param isFlat Whether the names in the states are whole paths. If so, the
   * entries may be added in any order, and `find` must not be called. Default:
   * `false`.
   */
  constructor(states: StateWriter, isFlat = false) {
    this.#states = states;
    this.#isFlat = isFlat;
  }

  /** The number of entries. */
  get length(): number {
    return this.#rows.length;
  }

  /**
   * Adds the next entry and returns its number. See {@linkcode EntrySink.add}.
   */
  add(entry: IndexEntry, place: number, isOther: boolean): number {
    const { path, kind, sha256, xattrs } = entry;
    const number = this.#rows.push();
    let folder = this.#open.at(-1);
    while (folder !== undefined && !path.startsWith(folder.inside)) {
      this.#open.pop();
      folder = this.#open.at(-1);
    }
    this.#rows.set(number, WORDS.state, place);
    this.#rows.set(number, WORDS.folder, folder?.number ?? ROOT);
    if (kind === "directory" && !this.#isFlat) {
      this.#open.push({ inside: `${path}/`, number });
    }
    const isPlain = kind === "file" && entry.sparse === undefined ||
      kind === "directory";
    if (!isPlain || isOther || hasXattrs(xattrs)) {
      this.#odd.set(number, bare(entry));
    } else if (xattrs !== undefined) {
      this.#states.mark(place, ENTRY_FLAG.plain);
    }
    if (sha256 !== undefined) fillHex(this.sumOf(number), sha256);
    return number;
  }

  /** Returns an entry by its number. */
  at(number: number): HashedEntry {
    const odd = this.#odd.get(number);
    if (odd !== undefined) return odd;
    const place = this.#rows.get(number, WORDS.state);
    const basics = this.#states.basics(place);
    const path = this.path(number);
    // Links, named pipes, devices and sparse files are always in `#odd`.
    return basics.kind === "directory"
      ? makeDirectory(path, basics)
      : makeFile(path, basics, basics.size, this.sha256(number));
  }

  /** Returns the path of an entry by its number. */
  path(number: number): string {
    const odd = this.#odd.get(number);
    if (odd !== undefined) return odd.path;
    const name = this.#states.name(this.#rows.get(number, WORDS.state));
    const folder = this.#rows.get(number, WORDS.folder);
    if (folder === ROOT) return name;
    if (folder !== this.#folder.number) {
      this.#folder = { number: folder, path: this.path(folder) };
    }
    return `${this.#folder.path}/${name}`;
  }

  /** Returns the SHA-256 of a file by its number, in hexadecimal. */
  sha256(number: number): string {
    return toHex(this.sumOf(number));
  }

  /** Returns the SHA-256 of a file by its number, as 32 bytes. */
  sumOf(number: number): Uint8Array {
    return this.#rows.bytes(number, WORDS.sha256, 32);
  }

  /** Returns whether a file has this SHA-256, given as eight 32-bit words. */
  hasSum(number: number, words: Uint32Array): boolean {
    for (let at = 0; at < words.length; at++) {
      if (this.#rows.get(number, WORDS.sha256 + at) !== words[at]) return false;
    }
    return true;
  }

  /**
   * Returns the entry of a path, or `undefined` if the list does not contain
   * the path.
   */
  find(path: string): HashedEntry | undefined {
    let low = 0;
    let high = this.length;
    while (low < high) {
      const middle = low + high >>> 1;
      const order = comparePaths(this.path(middle), path);
      if (order === 0) return this.at(middle);
      if (order < 0) low = middle + 1;
      else high = middle;
    }
    return undefined;
  }

  /**
   * Returns the list in the form that is stored together with the states. See
   * `decodeEntries`.
   */
  encode(): StoredEntries {
    const odd = [...this.#odd].map(([number, entry]) =>
      [number, encodeEntry(entry)] satisfies StoredEntries["odd"][number]
    );
    return { bytes: this.#rows.all(), odd };
  }
}
