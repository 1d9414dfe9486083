import { toHex } from "../bytes/hex.ts";
import type { Line } from "../bytes/listing.ts";
import type { WordRows } from "../bytes/word_rows.ts";
import type { Metadata } from "./entry.ts";
import type { HashedEntry } from "./entry_line.ts";
import { comparePaths } from "./path.ts";
import type { FileStat } from "./statx.ts";
import { makeDirectory, makeFile } from "./to_json.ts";

/**
 * The offsets of the values in the row of an entry, and the `length` of a row,
 * in 32-bit words. The values are the number of the first word of the entry's
 * state, the number of the entry's folder, and the SHA-256 of a file.
 */
export const WORDS = { state: 0, folder: 1, sha256: 2, length: 10 } as const;
/** The folder number that stands for the root. */
export const ROOT = 2 ** 32 - 1;

/** The entries of an index, as they are stored together with their states. */
export interface StoredEntries {
  /** Ten 32-bit words for each entry, in path order. See `WORDS`. */
  bytes: Uint8Array;
  /**
   * The number and the JSON line of each entry that is not fully described by
   * its state.
   */
  odd: [number, Line][];
}

/**
 * The states of entries. `place` is the number of the first word of an entry's
 * state.
 */
export interface EntryStates {
  /** Returns the part of an entry's state that an index keeps. */
  basics(place: number): Metadata & Pick<FileStat, "kind" | "size">;
  /** Returns an entry's name. */
  name(place: number): string;
}

/**
 * Entries of a directory, without their block checksums. Each entry has a row
 * of 40 bytes. An entry that is not fully described by its state also has an
 * object. The other entries have their names, modes and times only in their
 * states.
 */
export class EntryRows<States extends EntryStates = EntryStates> {
  /** The states of the entries. */
  readonly states: States;
  /** A row for each entry. See `WORDS`. */
  protected readonly rows: WordRows;
  /**
   * A map from the number of an entry to the entry, for the entries that are
   * not fully described by their states: links, sparse files, named pipes,
   * devices, files that changed before they were read, and entries with
   * extended attributes.
   */
  protected readonly odd: Map<number, HashedEntry>;
  #folder = { number: ROOT, path: "" };
  /** The position where the last search of `get` ended. */
  #last = 0;

  /**
   * Makes an instance from states and rows.
   *
   * @param states The states of the entries.
   * @param rows The rows of the entries; see `WORDS`.
   * @param odd A map from the number of an entry to the entry, for the entries
   * that are not fully described by their states.
   */
  constructor(
    states: States,
    rows: WordRows,
    odd: Map<number, HashedEntry> = new Map(),
  ) {
    this.states = states;
    this.rows = rows;
    this.odd = odd;
  }

  /** The number of entries. */
  get length(): number {
    return this.rows.length;
  }

  /** Returns the entry with the given number. */
  at(number: number): HashedEntry {
    const odd = this.odd.get(number);
    if (odd !== undefined) return odd;
    const basics = this.states.basics(this.place(number));
    const path = this.path(number);
    // Links, named pipes, devices and sparse files are always in `odd`.
    return basics.kind === "directory"
      ? makeDirectory(path, basics)
      : makeFile(path, basics, basics.size, this.sha256(number));
  }

  /** Returns the path of the entry with the given number. */
  path(number: number): string {
    const odd = this.odd.get(number);
    if (odd !== undefined) return odd.path;
    const name = this.states.name(this.place(number));
    const folder = this.folder(number);
    if (folder === ROOT) return name;
    if (folder !== this.#folder.number) {
      this.#folder = { number: folder, path: this.path(folder) };
    }
    return `${this.#folder.path}/${name}`;
  }

  /** Returns the position of an entry's state in `states`, in 32-bit words. */
  place(number: number): number {
    return this.rows.get(number, WORDS.state);
  }

  /**
   * Returns the number of the folder that contains an entry;
   * {@linkcode ROOT} for the root.
   */
  folder(number: number): number {
    return this.rows.get(number, WORDS.folder);
  }

  /** Returns the SHA-256 of the file with the given number, in hexadecimal. */
  sha256(number: number): string {
    return toHex(this.sumOf(number));
  }

  /** Returns the 32 bytes of the SHA-256 of the file with the given number. */
  sumOf(number: number): Uint8Array {
    return this.rows.bytes(number, WORDS.sha256, 32);
  }

  /** Fills eight 32-bit words with the SHA-256 of a file. */
  fillSum(words: Uint32Array, number: number): void {
    for (let at = 0; at < words.length; at++) {
      words[at] = this.rows.get(number, WORDS.sha256 + at);
    }
  }

  /** Returns whether a file has this SHA-256, given as eight 32-bit words. */
  hasSum(number: number, words: Uint32Array): boolean {
    for (let at = 0; at < words.length; at++) {
      if (this.rows.get(number, WORDS.sha256 + at) !== words[at]) return false;
    }
    return true;
  }

  /**
   * Returns the entry of a path, if there is one. The entries must be in path
   * order. Paths are found with fewer steps if they are looked up in this
   * order.
   */
  get(path: string): HashedEntry | undefined {
    let low = 0;
    let high = this.length;
    // The first guesses are near the position where the last search ended.
    let middle = Math.min(this.#last, high - 1);
    for (let step = 1; low < high; step *= 2) {
      const order = comparePaths(this.path(middle), path);
      if (order === 0) {
        this.#last = middle;
        return this.at(middle);
      }
      if (order < 0) low = middle + 1;
      else high = middle;
      middle = low + Math.min(step - 1, high - low >>> 1);
    }
    this.#last = low;
    return undefined;
  }
}
