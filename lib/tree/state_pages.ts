import { type FileRange, PAGE_BYTES } from "./file_range.ts";
import { ENTRY, MAX_NAME_BYTES, nameWords, wordsOf } from "./state_layout.ts";

/** The number of 32-bit words of a page. */
const PAGE_WORDS = PAGE_BYTES / 4;
/** The maximum number of pages that are kept in memory: up to 8 MiB. */
const MAX_PAGES = 128;
/**
 * The maximum number of words of a range for which {@linkcode StatePages.copy}
 * uses the same memory in each call.
 */
const MAX_COPIED_WORDS = MAX_PAGES * PAGE_WORDS;
/**
 * The maximum size of a range that gets memory of its own, as a fraction of the
 * state. For a larger range, the whole state is read into memory.
 */
const MAX_LARGE_PART = 1 / 4;
/**
 * The average number of reads per page after which the whole state is read into
 * memory. A snapshot that uses the entries in the order in which they are
 * stored reads each page only a few times.
 */
const MAX_ROUNDS = 16;
const NO_BYTES = new Uint8Array(0);
const NO_WORDS = new Uint32Array(0);

/** A range of the words of a state. */
export interface StatePage {
  /** The number of the first word of the range. The state begins at word 0. */
  readonly first: number;
  /** The words. */
  readonly words: Uint32Array;
  /** The same words as bytes. */
  readonly bytes: Uint8Array;
}

/**
 * The words of a state that is in a file. They are read page by page, and the
 * most recently used pages stay in memory. The block of a very large folder
 * stays in memory, too, until the block of another very large folder is read.
 * If pages are read too often, the whole state is read into memory.
 */
export class StatePages {
  /** The number of words of the state. */
  readonly length: number;
  readonly #range: FileRange;
  /** The pages in memory, by number, from the least recently used page on. */
  readonly #pages = new Map<number, StatePage>();
  /** The number of page reads that are left until the whole state is read. */
  #left: number;
  /** The memory that `copy` uses for up to `MAX_COPIED_WORDS` words. */
  #copied = new Uint8Array(0);
  /**
   * The last range of more than `MAX_COPIED_WORDS` words that `copy` returned,
   * if it is still in memory.
   */
  #large: StatePage | undefined;
  /** The number of the page that was used last; -1 before the first use. */
  #last = -1;
  #whole: StatePage | undefined;

  /**
   * Makes an instance, but reads nothing.
   *
   * @param range The range of the file that contains the state.
   */
  constructor(range: FileRange) {
    this.#range = range;
    this.length = range.length / 4;
    this.#left = MAX_ROUNDS * Math.ceil(this.length / PAGE_WORDS);
  }

  /**
   * Returns a range that contains an entry. If the state has no valid entry at
   * this word, the range can be empty or too short. The range is valid until
   * the next call of a method.
   *
   * @param entry The number of the first word of the entry.
   * @throws {DeltarError} The errors of `FileRange.read`.
   * @throws {RangeError} If there is too little memory for the state.
   */
  around(entry: number): StatePage {
    const page = isWithin(this.#large, entry, 1)
      ? this.#large
      : this.#page(Math.floor(entry / PAGE_WORDS));
    const end = page.first + page.words.length;
    const name = entry + ENTRY.name;
    const length = name < end
      ? page.words[name - page.first]
      : this.#join(entry, ENTRY.length).words[ENTRY.name];
    const count = ENTRY.length + nameWords(length);
    const isComplete = entry + count <= end || !(length <= MAX_NAME_BYTES);
    return isComplete ? page : this.#join(entry, count);
  }

  /**
   * Returns a range that contains the requested words. The range can begin
   * before them and end after them. It is valid until the next call of `copy`.
   *
   * @param first The number of the first requested word.
   * @param count The number of requested words. If fewer words are left in the
   * state, the range ends with the state.
   * @throws {DeltarError} The errors of `FileRange.read`.
   * @throws {RangeError} If there is too little memory for the range.
   */
  copy(first: number, count: number): StatePage {
    if (this.#whole !== undefined) return this.#whole;
    const length = this.#lengthOf(first, count);
    if (isWithin(this.#large, first, length)) return this.#large;
    if (length > MAX_COPIED_WORDS) {
      if (length > MAX_LARGE_PART * this.length) return this.#readAll();
      // The entries of a very large folder are not used in the order in which
      // they are stored. The whole block stays in memory, so that its pages are
      // not read again and again.
      this.#large = undefined;
      const bytes = this.#allocate(4 * length);
      const large = this.#join(first, count, bytes);
      if (this.#whole === undefined) this.#large = large;
      return large;
    }
    if (this.#copied.length < 4 * length) {
      this.#copied = new Uint8Array(4 * length);
    }
    return this.#join(first, count, this.#copied.subarray(0, 4 * length));
  }

  /** Copies a range, which can begin and end inside a page, into `bytes`. */
  #join(
    first: number,
    count: number,
    bytes: Uint8Array = new Uint8Array(4 * this.#lengthOf(first, count)),
  ): StatePage {
    const words = wordsOf(bytes);
    for (let at = first; at < first + words.length;) {
      const page = this.#page(Math.floor(at / PAGE_WORDS));
      const start = at - page.first;
      const part = page.words.subarray(
        start,
        start + first + words.length - at,
      );
      words.set(part, at - first);
      at += part.length;
    }
    return { first, words, bytes };
  }

  #page(number: number): StatePage {
    if (this.#whole !== undefined) return this.#whole;
    const page = this.#pages.get(number);
    if (page === undefined) return this.#load(number);
    if (number !== this.#last) {
      this.#pages.delete(number);
      this.#pages.set(number, page);
      this.#last = number;
    }
    return page;
  }

  #load(number: number): StatePage {
    const first = number * PAGE_WORDS;
    const length = this.#range.lengthOf(number);
    if (length === 0) return { first, words: NO_WORDS, bytes: NO_BYTES };
    if (this.#left-- === 0) return this.#readAll();
    let memory: Uint8Array | undefined;
    if (this.#pages.size === MAX_PAGES) {
      for (const [oldest, { bytes }] of this.#pages) {
        this.#pages.delete(oldest);
        if (bytes.length === length) memory = bytes;
        break;
      }
    }
    const bytes = memory ?? new Uint8Array(length);
    this.#range.read(number, bytes);
    const page = { first, words: wordsOf(bytes), bytes };
    this.#pages.set(number, page);
    this.#last = number;
    return page;
  }

  #readAll(): StatePage {
    if (this.#whole !== undefined) return this.#whole;
    const bytes = this.#allocate(this.#range.length);
    for (let at = 0, page = 0; at < bytes.length; page++) {
      const length = this.#range.lengthOf(page);
      this.#range.read(page, bytes.subarray(at, at + length));
      at += length;
    }
    this.#pages.clear();
    this.#large = undefined;
    return this.#whole = { first: 0, words: wordsOf(bytes), bytes };
  }

  /**
   * Returns `length` new bytes. If there is too little memory, marks the range
   * of the file as broken. The caller then continues without the state.
   *
   * @throws {RangeError} If there is too little memory.
   */
  #allocate(length: number): Uint8Array {
    try {
      return new Uint8Array(length);
    } catch (error) {
      this.#range.isBroken = true;
      throw error;
    }
  }

  #lengthOf(first: number, count: number): number {
    return Math.max(0, Math.min(count, this.length - first));
  }
}

/** Returns whether a page contains `count` words from word `first` on. */
function isWithin(
  page: StatePage | undefined,
  first: number,
  count: number,
): page is StatePage {
  return page !== undefined && first >= page.first &&
    first + count <= page.first + page.words.length;
}
