import type { FileRange } from "./file_range.ts";
import { ENTRY, MAX_NAME_BYTES, nameWords, wordsOf } from "./state_layout.ts";

/** The number of 32-bit words of a page. */
const PAGE_WORDS = 1 << 12;
/**
 * The number of words after a page that are read together with the page, so
 * that an entry with a name of up to 255 bytes is read to its end.
 */
const MORE_WORDS = ENTRY.length + nameWords(255);
/** The maximum number of pages in memory. Together they take 8 MiB. */
const MAX_PAGES = 512;
/** The maximum number of words of a range; see {@linkcode StatePages.copy}. */
const MAX_COPIED_WORDS = MAX_PAGES * PAGE_WORDS;

/** A range of the words of a state. */
export interface StatePage {
  /** The number of the first word. */
  readonly first: number;
  /** The words. */
  readonly words: Uint32Array;
  /** The same words as bytes. */
  readonly bytes: Uint8Array;
}

/**
 * The words of a state that is in a file. They are read page by page, and the
 * pages that were read last stay in memory.
 */
export class StatePages {
  /** The number of words of the state. */
  readonly length: number;
  readonly #range: FileRange;
  /** The pages in memory, by number. */
  readonly #pages = new Map<number, StatePage>();
  /** The memory of the range that `copy` returned last. */
  #copied = new Uint8Array(0);
  #whole: StatePage | undefined;

  /** Makes the pages of a range of a file. Nothing is read yet. */
  constructor(range: FileRange) {
    this.#range = range;
    this.length = range.length / 4;
  }

  /**
   * Returns a range that contains an entry, or the rest of the state if there
   * is no complete entry.
   *
   * @param entry The number of the first word of the entry.
   * @throws {DeltarError} The errors of `FileRange.read`.
   */
  around(entry: number): StatePage {
    if (this.#whole !== undefined) return this.#whole;
    const number = Math.floor(entry / PAGE_WORDS);
    const page = this.#pages.get(number) ?? this.#load(number);
    const length = page.words[entry - page.first + ENTRY.name];
    const end = entry + ENTRY.length + nameWords(length);
    const isComplete = end <= page.first + page.words.length;
    return isComplete || !(length <= MAX_NAME_BYTES)
      ? page
      : this.#read(entry, end - entry);
  }

  /**
   * Returns a range of `count` words, which is valid until the next call, or
   * the rest of the state if it has fewer words.
   *
   * @param first The number of the first word.
   * @throws {DeltarError} The errors of `FileRange.read`.
   */
  copy(first: number, count: number): StatePage {
    // Entries of a very large folder would be read too often, because they are
    // not used in the order in which they are stored.
    if (count > MAX_COPIED_WORDS) {
      this.#whole ??= this.#read(0, this.length);
      this.#pages.clear();
    }
    if (this.#whole !== undefined) return this.#whole;
    const length = this.#lengthOf(first, count);
    if (this.#copied.length < 4 * length) {
      this.#copied = new Uint8Array(4 * length);
    }
    return this.#read(first, length, this.#copied.subarray(0, 4 * length));
  }

  #load(number: number): StatePage {
    const first = number * PAGE_WORDS;
    const length = this.#lengthOf(first, PAGE_WORDS + MORE_WORDS);
    let memory: Uint8Array | undefined;
    if (this.#pages.size === MAX_PAGES) {
      for (const [oldest, { bytes }] of this.#pages) {
        this.#pages.delete(oldest);
        if (bytes.length === 4 * length) memory = bytes;
        break;
      }
    }
    const page = this.#read(first, length, memory);
    this.#pages.set(number, page);
    return page;
  }

  #read(
    first: number,
    count: number,
    bytes: Uint8Array = new Uint8Array(4 * this.#lengthOf(first, count)),
  ): StatePage {
    this.#range.read(bytes, 4 * first);
    return { first, words: wordsOf(bytes), bytes };
  }

  #lengthOf(first: number, count: number): number {
    return Math.max(0, Math.min(count, this.length - first));
  }
}
