import { type FileRange, PAGE_BYTES } from "./file_range.ts";
import { ENTRY, MAX_NAME_BYTES, nameWords, wordsOf } from "./state_layout.ts";

/** The number of 32-bit words of a page. */
const PAGE_WORDS = PAGE_BYTES / 4;
/** The maximum number of pages in memory. Together they take 8 MiB. */
const MAX_PAGES = 128;
/**
 * The maximum number of words of a range that is copied to the shared memory of
 * {@linkcode StatePages.copy}.
 */
const MAX_COPIED_WORDS = MAX_PAGES * PAGE_WORDS;
/**
 * The maximum part of the state that a range in its own memory takes. For a
 * larger range, the whole state is read.
 */
const MAX_LARGE_PART = 1 / 4;
/**
 * The number of times that all pages can be read. A snapshot that uses the
 * entries in the order in which they are stored reads each page a few times.
 */
const MAX_ROUNDS = 16;
const NO_BYTES = new Uint8Array(0);
const NO_WORDS = new Uint32Array(0);

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
 * pages that were used last stay in memory. The block of a very large folder
 * stays in memory, too, until another one is read. If pages are read too often,
 * the whole state is read into memory.
 */
export class StatePages {
  /** The number of words of the state. */
  readonly length: number;
  readonly #range: FileRange;
  /**
   * The pages in memory, by number. The page that was not used for the longest
   * time is the first one.
   */
  readonly #pages = new Map<number, StatePage>();
  /** The number of pages that can still be read one by one. */
  #left: number;
  /** The memory of the range that `copy` returned last. */
  #copied = new Uint8Array(0);
  /** The last range that `copy` returned in its own memory. */
  #large: StatePage | undefined;
  /** The number of the page that was used last. */
  #last = -1;
  #whole: StatePage | undefined;

  /** Makes the pages of a range of a file. Nothing is read yet. */
  constructor(range: FileRange) {
    this.#range = range;
    this.length = range.length / 4;
    this.#left = MAX_ROUNDS * Math.ceil(this.length / PAGE_WORDS);
  }

  /**
   * Returns a range that contains an entry, or the rest of the state if there
   * is no complete entry. The range is valid until the next call of a method.
   *
   * @param entry The number of the first word of the entry.
   * @throws {DeltarError} The errors of `FileRange.read`.
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
   * Returns a range of `count` words, or the rest of the state if it has fewer
   * words. The range is valid until the next call of `copy`.
   *
   * @param first The number of the first word.
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
      // they are stored, so its pages would be read too often.
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

  /** Returns a range that can begin and end inside a page. */
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
   * Returns new memory. If there is too little, the range counts as broken, so
   * that the caller continues without the state.
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

/** Returns whether a page contains `count` words from `first` on. */
function isWithin(
  page: StatePage | undefined,
  first: number,
  count: number,
): page is StatePage {
  return page !== undefined && first >= page.first &&
    first + count <= page.first + page.words.length;
}
