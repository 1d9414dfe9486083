import { DeltarError } from "../bytes/errors.ts";
import { fillHex } from "../bytes/hex.ts";
import { WordRows } from "../bytes/word_rows.ts";
import { ContentTable } from "./content_table.ts";
import type { EntryKind } from "./entry.ts";
import { decodeEntry, type HashedEntry } from "./entry_line.ts";
import type { EntryIndex } from "./entry_index.ts";
import type { EntrySink } from "./entry_list.ts";
import { EntryRows, ROOT, type StoredEntries, WORDS } from "./entry_rows.ts";
import { isTooLong } from "./path.ts";
import { SelectedEntries } from "./selected_entries.ts";
import {
  DIRECTORY_TYPE,
  ENTRY,
  FILE_TYPE,
  MIN_ENTRY_WORDS,
  readSize,
  TYPE_MASK,
} from "./state_layout.ts";
import type { TreeState } from "./tree_state.ts";

/**
 * The length, in UTF-16 code units, up to which a path is never too long and
 * need not be checked.
 */
const SHORT_PATH_LENGTH = 4095;

/**
 * The maximum number of times that all entries are searched for a content.
 * After that, a table of all contents is made and used.
 */
const MAX_SEARCHES = 16;

/** The number and total size of entries that have the same kind and owner. */
export interface EntrySummary {
  /** The kind of the entries. */
  kind: EntryKind;
  /** The number of entries. */
  count: number;
  /** The total size of the entries in bytes. */
  size: number;
  /** The user ID of the owner. */
  uid: number;
  /** The group ID. */
  gid: number;
}

/**
 * Consecutive unchanged entries of a remembered index. They are directly inside
 * the same folder, and only the last one can be a folder.
 */
export interface KnownRun {
  /** All entries of the remembered index. */
  entries: KnownEntries;
  /** The number of the first unchanged entry in `entries`. */
  first: number;
  /** The number of unchanged entries, at least 1. */
  count: number;
  /**
   * The number of words to add to the position of an entry's remembered state
   * to get the position of its state in the walk's `StateWriter`.
   */
  shift: number;
}

/**
 * The entries of a remembered index. Entries are decoded one by one, when they
 * are needed, because most entries are unchanged and need not be decoded.
 */
export class KnownEntries extends EntryRows<TreeState> {
  /**
   * The slots for the numbers of the entries. Each number is increased by one,
   * and a free slot has the value 0. The slot of an entry is the number of the
   * first word of its state, divided by `MIN_ENTRY_WORDS` and rounded down.
   * Each state has at least `MIN_ENTRY_WORDS` words, so each entry has its own
   * slot.
   */
  readonly #byPlace: Uint32Array;
  #contents: ContentTable | undefined;
  /** The number of contents that `findContent` has looked for. */
  #searches = 0;

  private constructor(
    state: TreeState,
    rows: WordRows,
    odd: Map<number, HashedEntry>,
  ) {
    super(state, rows, odd);
    this.#byPlace = new Uint32Array(slotOf(state.length) + 1);
    /** An upper bound on the length of each path, in UTF-16 code units. */
    const lengths = new Uint32Array(rows.length);
    for (let number = 0; number < lengths.length; number++) {
      const place = rows.words[WORDS.length * number + WORDS.state];
      // `nameLength` throws if the state is incomplete.
      const length = state.nameLength(place);
      this.#byPlace[slotOf(place)] = number + 1;
      const line = odd.size === 0 ? undefined : odd.get(number);
      if (line !== undefined) {
        lengths[number] = line.path.length;
        continue;
      }
      const at = state.seek(place);
      const type = state.words[at] & TYPE_MASK;
      if (type !== FILE_TYPE && type !== DIRECTORY_TYPE) {
        throw invalid("has an invalid kind");
      }
      const folder = rows.words[WORDS.length * number + WORDS.folder];
      if (folder !== ROOT && folder >= number) {
        throw invalid("has an invalid folder");
      }
      lengths[number] = folder === ROOT ? length : lengths[folder] + 1 + length;
      if (lengths[number] > SHORT_PATH_LENGTH && isTooLong(this.path(number))) {
        throw invalid("has a path that is too long");
      }
    }
  }

  /**
   * Reads the entries that are stored together with a state.
   *
   * @param stored The stored entries.
   * @param state The state of the directory.
   * @throws {DeltarError | RangeError | TypeError} If the entries are invalid
   * or do not belong to the state.
   */
  static decode({ bytes, odd }: StoredEntries, state: TreeState): KnownEntries {
    if (bytes.length % (4 * WORDS.length) !== 0) throw invalid("is incomplete");
    const rows = new WordRows(WORDS.length, bytes);
    const entries = odd.map(([number, line]) =>
      [number, decodeEntry(line, "state", 0)] as const
    );
    return new KnownEntries(state, rows, new Map(entries));
  }

  /**
   * Yields each entry that is not fully described by its state, with its
   * number. Looks only at the `count` entries from number `first` on.
   */
  *oddIn(first: number, count: number): Generator<[number, HashedEntry]> {
    if (this.odd.size === 0) return;
    for (let number = first; number < first + count; number++) {
      const entry = this.odd.get(number);
      if (entry !== undefined) yield [number, entry];
    }
  }

  /**
   * Returns an entry if it is not fully described by its state; otherwise
   * `undefined`.
   */
  oddAt(number: number): HashedEntry | undefined {
    return this.odd.get(number);
  }

  /** See {@linkcode EntryIndex.select}. */
  select(numbers: Iterable<number>): Pick<EntryIndex, "at" | "path"> {
    return this.states.isPaged ? new SelectedEntries(this, numbers) : this;
  }

  /** Returns whether an entry is a directory. */
  isDirectory(number: number): boolean {
    return this.states.kind(this.place(number)) === "directory";
  }

  /**
   * Yields summaries of `count` entries. Consecutive entries that have the same
   * kind and owner are counted together.
   *
   * @param first The number of the first of these entries.
   * @param count The number of entries.
   */
  *summaries(first: number, count: number): Generator<EntrySummary> {
    const { states } = this;
    const rows = this.rows.words;
    let sum: EntrySummary | undefined;
    for (let number = first; number < first + count; number++) {
      const place = rows[WORDS.length * number + WORDS.state];
      const at = states.seek(place);
      const { words } = states;
      const odd = this.odd.size === 0 ? undefined : this.odd.get(number);
      const kind = odd?.kind ??
        ((words[at] & TYPE_MASK) === DIRECTORY_TYPE ? "directory" : "file");
      const uid = odd?.uid ?? words[at + ENTRY.uid];
      const gid = odd?.gid ?? words[at + ENTRY.gid];
      const size = odd?.size ??
        (kind === "directory" ? 0 : readSize(words, at));
      if (sum?.kind === kind && sum.uid === uid && sum.gid === gid) {
        sum.count++;
        sum.size += size;
        continue;
      }
      if (sum !== undefined) yield sum;
      sum = { kind, count: 1, size, uid, gid };
    }
    if (sum !== undefined) yield sum;
  }

  /**
   * Returns the number of the entry whose state begins at the word `place`, or
   * -1 if there is no such entry.
   */
  numberOf(place: number): number {
    const number = (this.#byPlace[slotOf(place)] ?? 0) - 1;
    return number >= 0 && this.place(number) === place ? number : -1;
  }

  /** Copies the rows of entries; see {@linkcode WordRows.copy}. */
  copyTo(rows: WordRows, row: number, first: number, count: number): void {
    rows.copy(row, this.rows, first, count);
  }

  /** See {@linkcode EntryIndex.findContent}. */
  findContent(sha256: string): HashedEntry | undefined {
    // Making the table takes as long as several searches, so it would not save
    // time if only a few contents are looked for.
    const number = this.#searches++ < MAX_SEARCHES
      ? this.#search(sha256)
      : (this.#contents ??= this.#tableOfContents()).find(sha256);
    return number < 0 ? undefined : this.at(number);
  }

  #search(sha256: string): number {
    const sum = new Uint32Array(8);
    fillHex(new Uint8Array(sum.buffer), sha256);
    const [first] = sum;
    const { words, length } = this.rows;
    for (let number = 0; number < length; number++) {
      if (words[WORDS.length * number + WORDS.sha256] !== first) continue;
      if (this.hasSum(number, sum) && this.#isFile(number)) return number;
    }
    return -1;
  }

  #tableOfContents(): ContentTable {
    const contents = new ContentTable(this, this.length);
    for (let number = 0; number < this.length; number++) {
      if (this.#isFile(number)) contents.add(number);
    }
    return contents;
  }

  #isFile(number: number): boolean {
    const kind = this.odd.get(number)?.kind ??
      this.states.kind(this.place(number));
    return kind === "file";
  }
}

/**
 * Adds consecutive entries to a sink. Returns the total size of the entries in
 * bytes.
 */
export function addEach(run: KnownRun, sink: Pick<EntrySink, "add">): number {
  const { entries, first, count, shift } = run;
  for (let number = first; number < first + count; number++) {
    const place = entries.place(number) + shift;
    sink.add(entries.at(number), place, false, undefined);
  }
  return bytesOf(run);
}

/** Returns the path of the last entry of a {@linkcode KnownRun}. */
export function lastPathOf({ entries, first, count }: KnownRun): string {
  return entries.path(first + count - 1);
}

/** Returns the total size of the entries of a {@linkcode KnownRun} in bytes. */
export function bytesOf({ entries, first, count }: KnownRun): number {
  let bytes = 0;
  for (const { size } of entries.summaries(first, count)) bytes += size;
  return bytes;
}

/** Returns the slot of the entry whose state begins at the word `place`. */
function slotOf(place: number): number {
  return Math.floor(place / MIN_ENTRY_WORDS);
}

function invalid(what: string): DeltarError {
  return new DeltarError(
    "corrupt",
    `an entry of the remembered state ${what}`,
    {},
  );
}
