import { fillHex, toHex } from "../bytes/hex.ts";
import { WordRows } from "../bytes/word_rows.ts";
import { bare } from "./change_finder.ts";
import type { IndexEntry } from "./dir_index.ts";
import { encodeEntry, type HashedEntry } from "./entry_line.ts";
import type { FileFacts } from "./file_reader.ts";
import { comparePaths } from "./path.ts";
import { ROOT, type StoredEntries, WORDS } from "./state_entries.ts";
import type { StateWriter } from "./state_writer.ts";
import { makeDirectory, makeFile } from "./to_json.ts";

/** A receiver of the entries of a directory, in path order. */
export interface EntrySink<Facts extends FileFacts = FileFacts> {
  /**
   * Takes the next entry.
   *
   * @param entry The entry; a file's with its SHA-256.
   * @param place Where the walk's writer has its state.
   * @param isOther Whether it was read as another than the state says.
   * @param facts What the file's reader found out, if it was read.
   */
  add(
    entry: IndexEntry,
    place: number,
    isOther: boolean,
    facts: Facts | undefined,
  ): void;
}

/**
 * The entries of a directory in path order, without their block checksums, in
 * little memory: their states are where the walk has written them, and forty
 * bytes are kept of each besides.
 */
export class EntryList {
  readonly #states: StateWriter;
  readonly #rows = new WordRows(WORDS.length);
  /** Those of which the state does not tell all, by number. */
  readonly #odd = new Map<number, HashedEntry>();
  /** The folder that the last entry is in, and those above it. */
  readonly #open: { inside: string; number: number }[] = [];
  #folder = { number: ROOT, path: "" };

  /** Makes a list of entries whose states are in `states`. */
  constructor(states: StateWriter) {
    this.#states = states;
  }

  /** The number of entries. */
  get length(): number {
    return this.#rows.length;
  }

  /** Adds the next entry, see {@linkcode EntrySink.add}, and numbers it. */
  add(entry: IndexEntry, place: number, isOther: boolean): number {
    const { path, kind, sha256 } = entry;
    const number = this.#rows.push();
    let folder = this.#open.at(-1);
    while (folder !== undefined && !path.startsWith(folder.inside)) {
      this.#open.pop();
      folder = this.#open.at(-1);
    }
    this.#rows.set(number, WORDS.state, place);
    this.#rows.set(number, WORDS.folder, folder?.number ?? ROOT);
    if (kind === "directory") this.#open.push({ inside: `${path}/`, number });
    else if (kind !== "file" || isOther) {
      this.#odd.set(number, bare(entry));
    }
    if (sha256 !== undefined) fillHex(this.sumOf(number), sha256);
    return number;
  }

  /** An entry by its number. */
  at(number: number): HashedEntry {
    const odd = this.#odd.get(number);
    if (odd !== undefined) return odd;
    const place = this.#rows.get(number, WORDS.state);
    const basics = this.#states.basics(place);
    const path = this.path(number);
    // Links are all among those of which the state does not tell all.
    return basics.kind === "directory"
      ? makeDirectory(path, basics)
      : makeFile(path, basics, basics.size, this.sha256(number));
  }

  /** The path of an entry. */
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

  /** The SHA-256 of a file, in hexadecimal. */
  sha256(number: number): string {
    return toHex(this.sumOf(number));
  }

  /** The SHA-256 of a file. */
  sumOf(number: number): Uint8Array {
    return this.#rows.bytes(number, WORDS.sha256, 32);
  }

  /** Whether a SHA-256, as eight words, is that of a file. */
  hasSum(number: number, words: Uint32Array): boolean {
    for (let at = 0; at < words.length; at++) {
      if (this.#rows.get(number, WORDS.sha256 + at) !== words[at]) return false;
    }
    return true;
  }

  /** The entry of a path, if there is one. */
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

  /** The list as it is remembered beside the states; see `decodeEntries`. */
  encode(): StoredEntries {
    const odd = [...this.#odd].map(([number, entry]) =>
      [number, encodeEntry(entry)] satisfies StoredEntries["odd"][number]
    );
    return { bytes: this.#rows.all(), odd };
  }
}
