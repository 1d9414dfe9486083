import { GrowingMemory } from "../bytes/growing_memory.ts";
import { WordRows } from "../bytes/word_rows.ts";
import type { HashedEntry } from "./entry_line.ts";
import { EntryRows, ROOT, WORDS } from "./entry_rows.ts";
import { TreeState } from "./tree_state.ts";

/** The remembered index from which entries are copied. */
interface SourceEntries {
  /** The number of entries. */
  readonly length: number;
  /** The remembered states. */
  readonly states: TreeState;
  /** Returns the position of an entry's state in `states`, in 32-bit words. */
  place(number: number): number;
  /**
   * Returns the number of the folder that contains an entry;
   * {@linkcode ROOT} for the root.
   */
  folder(number: number): number;
  /** Copies the SHA-256 of an entry into an array of eight 32-bit words. */
  fillSum(words: Uint32Array, number: number): void;
  /**
   * Returns an entry that is not fully described by its state; `undefined` for
   * any other entry.
   */
  oddAt(number: number): HashedEntry | undefined;
}

/**
 * Copies of some entries of a remembered index. The copies can be used after
 * the file of the remembered state has been closed. A copy has the same number
 * as its entry in the index.
 */
export class SelectedEntries {
  readonly #entries: EntryRows<TreeState>;
  /**
   * For each entry of the index, the number of its row plus one; 0 if the entry
   * was not copied.
   */
  readonly #rowOf: Uint32Array;

  /**
   * Copies entries and, if their paths require it, the folders above them.
   *
   * @param source The remembered index.
   * @param numbers The numbers of the entries.
   * @throws {DeltarError} The errors of `FileRange.read`.
   */
  constructor(source: SourceEntries, numbers: Iterable<number>) {
    this.#rowOf = new Uint32Array(source.length);
    for (const number of numbers) {
      // The path of an entry is made from the names of the folders above it, so
      // these folders are copied, too. An odd entry contains its whole path.
      for (let at = number; at !== ROOT && this.#rowOf[at] === 0;) {
        this.#rowOf[at] = 1;
        at = source.oddAt(at) === undefined ? source.folder(at) : ROOT;
      }
    }
    const rows = new WordRows(WORDS.length);
    const odd = new Map<number, HashedEntry>();
    const memory = new GrowingMemory();
    let used = 0;
    // A folder has a lower number than the entries in it, so the row of the
    // folder is known before theirs.
    for (let number = 0; number < source.length; number++) {
      if (this.#rowOf[number] === 0) continue;
      const row = rows.push();
      this.#rowOf[number] = row + 1;
      const state = source.states.entry(source.place(number));
      memory.reserve(4 * (used + state.length));
      memory.words.set(state, used);
      const first = WORDS.length * row;
      const sum = first + WORDS.sha256;
      source.fillSum(rows.words.subarray(sum, first + WORDS.length), number);
      rows.set(row, WORDS.state, used);
      used += state.length;
      const other = source.oddAt(number);
      if (other !== undefined) odd.set(row, other);
      const folder = other === undefined ? source.folder(number) : ROOT;
      const above = folder === ROOT ? ROOT : this.#rowOf[folder] - 1;
      rows.set(row, WORDS.folder, above);
    }
    const states = new TreeState(memory.bytes.subarray(0, 4 * used));
    this.#entries = new EntryRows(states, rows, odd);
  }

  /** Returns the selected entry with the given number. */
  at(number: number): HashedEntry {
    return this.#entries.at(this.#rowOf[number] - 1);
  }

  /** Returns the path of the selected entry with the given number. */
  path(number: number): string {
    return this.#entries.path(this.#rowOf[number] - 1);
  }
}
