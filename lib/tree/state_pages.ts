import { type FileRange, PAGE_BYTES } from "./file_range.ts";
import { ENTRY, MAX_NAME_BYTES, nameWords, wordsOf } from "./state_layout.ts";

/** The number of 32-bit words of a page. */
const PAGE_WORDS = PAGE_BYTES / 4;
/** The maximum number of pages in memory. Together they take 8 MiB. */
const MAX_PAGES = 128;
/** The maximum number of words of a range; see {@linkcode StatePages.copy}. */
const MAX_COPIED_WORDS = MAX_PAGES * PAGE_WORDS;
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
 * pages that were read last stay in memory. If pages are read too often, the
 * whole state is read into memory.
 */
export class StatePages {
  /** The number of words of the state. */
  readonly length: number;
  readonly #range: FileRange;
  /** The pages in memory, by number. */
  readonly #pages = new Map<number, StatePage>();
  /** The number of pages that can still be read one by one. */
  #left: number;
  /** The memory of the range that `copy` returned last. */
  #copied = new Uint8Array(0);
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
    const page = this.#page(Math.floor(entry / PAGE_WORDS));
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
   */
  copy(first: number, count: number): StatePage {
    // Entries of a very large folder would be read too often, because they are
    // not used in the order in which they are stored.
    const whole = count > MAX_COPIED_WORDS ? this.#readAll() : this.#whole;
    if (whole !== undefined) return whole;
    const length = this.#lengthOf(first, count);
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
    return this.#whole ?? this.#pages.get(number) ?? this.#load(number);
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
    return page;
  }

  #readAll(): StatePage {
    if (this.#whole !== undefined) return this.#whole;
    const bytes = new Uint8Array(this.#range.length);
    for (let at = 0, page = 0; at < bytes.length; page++) {
      const length = this.#range.lengthOf(page);
      this.#range.read(page, bytes.subarray(at, at + length));
      at += length;
    }
    this.#pages.clear();
    return this.#whole = { first: 0, words: wordsOf(bytes), bytes };
  }

  #lengthOf(first: number, count: number): number {
    return Math.max(0, Math.min(count, this.length - first));
  }
}
