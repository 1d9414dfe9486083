import { fillHex } from "../bytes/hex.ts";
import { WordRows } from "../bytes/word_rows.ts";
import { bare } from "./change_finder.ts";
import type { IndexEntry } from "./dir_index.ts";
import { encodeEntry } from "./entry_line.ts";
import { EntryRows, ROOT, type StoredEntries, WORDS } from "./entry_rows.ts";
import type { FileFacts } from "./file_reader.ts";
import type { KnownRun } from "./known_entries.ts";
import type { StateWriter } from "./state_writer.ts";
import { ENTRY_FLAG } from "./state_layout.ts";
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
   * @param facts The facts that the file's reader collected; `undefined` if no
   * file was read.
   */
  add(
    entry: IndexEntry,
    place: number,
    isOther: boolean,
    facts: Facts | undefined,
  ): void;
  /**
   * Adds the next entries, which are unchanged since the last walk. If a sink
   * lacks this method, each of the entries is passed to `add`.
   *
   * @returns The total size of the entries in bytes.
   */
  keep?(run: KnownRun): number;
}

/**
 * The entries of a directory that have been found so far. Their states are in a
 * `StateWriter`.
 */
export class EntryList extends EntryRows<StateWriter> {
  readonly #isFlat: boolean;
  /**
   * The folders that can contain the next entry, each inside the previous one.
   * `inside` is the path of the folder with a `/` at the end. `number` is the
   * number of the folder's entry.
   */
  readonly #open: { inside: string; number: number }[] = [];

  /**
   * Makes an empty list.
   *
   * @param states The writer that contains the states of the entries.
   * @param isFlat Whether the names in the states are whole paths. If so, the
   * entries may be added in any order, and `get` must not be called. Default:
   * `false`.
   */
  constructor(states: StateWriter, isFlat = false) {
    super(states, new WordRows(WORDS.length));
    this.#isFlat = isFlat;
  }

  /** Makes room for `length` entries in total. */
  reserve(length: number): void {
    this.rows.reserve(length);
  }

  /**
   * Adds the next entry and returns its number. See {@linkcode EntrySink.add}.
   */
  add(entry: IndexEntry, place: number, isOther: boolean): number {
    const { path, kind, sha256, xattrs } = entry;
    const number = this.rows.push();
    this.rows.set(number, WORDS.state, place);
    this.rows.set(number, WORDS.folder, this.#folderOf(path));
    if (kind === "directory" && !this.#isFlat) {
      this.#open.push({ inside: `${path}/`, number });
    }
    const isPlain = kind === "file" && entry.sparse === undefined ||
      kind === "directory";
    if (!isPlain || isOther || hasXattrs(xattrs)) {
      this.odd.set(number, bare(entry));
    } else if (xattrs !== undefined) {
      this.states.mark(place, ENTRY_FLAG.plain);
    }
    if (sha256 !== undefined) fillHex(this.sumOf(number), sha256);
    return number;
  }

  /** Adds the next entries; see {@linkcode EntrySink.keep}. */
  keep({ entries, first, count, shift }: KnownRun): void {
    const start = this.rows.push(count);
    entries.copyTo(this.rows, start, first, count);
    const folder = this.#folderOf(entries.path(first));
    const last = start + count - 1;
    const { words } = this.rows;
    for (
      let at = WORDS.length * start;
      at <= WORDS.length * last;
      at += WORDS.length
    ) {
      words[at + WORDS.state] += shift;
      words[at + WORDS.folder] = folder;
    }
    for (const [number, entry] of entries.oddIn(first, count)) {
      this.odd.set(number - first + start, entry);
    }
    // Only the last entry of a `KnownRun` can be a directory.
    if (!entries.isDirectory(first + count - 1)) return;
    const inside = `${entries.path(first + count - 1)}/`;
    this.#open.push({ inside, number: last });
  }

  /**
   * Returns the number of the folder that contains the next entry; see
   * {@linkcode ROOT}.
   *
   * @param path The path of the next entry.
   */
  #folderOf(path: string): number {
    let folder = this.#open.at(-1);
    while (folder !== undefined && !path.startsWith(folder.inside)) {
      this.#open.pop();
      folder = this.#open.at(-1);
    }
    return folder?.number ?? ROOT;
  }

  /**
   * Returns the list in the form that is stored together with the states. See
   * `KnownEntries.decode`.
   */
  encode(): StoredEntries {
    const odd = [...this.odd].map(([number, entry]) =>
      [number, encodeEntry(entry)] satisfies StoredEntries["odd"][number]
    );
    return { bytes: this.rows.all(), odd };
  }
}
