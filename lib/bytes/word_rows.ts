import { GrowingMemory } from "./growing_memory.ts";

/**
 * Rows of a few 32-bit words each, for tables with a very large number of rows.
 * A row takes only the memory of its words, because it is not an object.
 */
export class WordRows {
  /** The number of rows. */
  length: number;
  readonly #width: number;
  readonly #memory: GrowingMemory;

  /**
   * Makes a list of rows of `width` words.
   *
   * @param width The number of words of a row.
   * @param bytes The bytes of the first rows, as `all` returns them. These
   *   bytes are not copied. By default, the list is empty.
   */
  constructor(width: number, bytes?: Uint8Array) {
    this.#width = width;
    this.#memory = new GrowingMemory(bytes);
    this.length = bytes === undefined ? 0 : bytes.length / (4 * width);
  }

  /**
   * Adds rows of zeros.
   *
   * @param count The number of rows. Default: 1.
   * @returns The index of the first of these rows.
   */
  push(count: number = 1): number {
    const row = this.length;
    this.length += count;
    this.reserve(this.length);
    return row;
  }

  /** Makes room for `length` rows in total. */
  reserve(length: number): void {
    this.#memory.reserve(4 * this.#width * length);
  }

  /**
   * The words of all rows. Unused words can follow them. The array is valid
   * until the next `push` or `reserve`.
   */
  get words(): Uint32Array {
    return this.#memory.words;
  }

  /** Returns a word of a row. */
  get(row: number, word: number): number {
    return this.#memory.words[this.#width * row + word];
  }

  /** Sets a word of a row. */
  set(row: number, word: number, value: number): void {
    this.#memory.words[this.#width * row + word] = value;
  }

  /**
   * Copies rows of another list with the same width.
   *
   * @param row The first row to overwrite.
   * @param from The other list.
   * @param first The first row of the other list to copy.
   * @param count The number of rows.
   */
  copy(row: number, from: WordRows, first: number, count: number): void {
    const width = this.#width;
    const start = width * first;
    const words = from.#memory.words.subarray(start, start + width * count);
    this.#memory.words.set(words, width * row);
  }

  /**
   * Returns `length` bytes of a row, beginning with the word at index `word`.
   * The array is valid until the next `push` or `reserve`.
   */
  bytes(row: number, word: number, length: number): Uint8Array {
    const start = 4 * (this.#width * row + word);
    return this.#memory.bytes.subarray(start, start + length);
  }

  /**
   * Returns the bytes of all rows, in order. The array is valid until the next
   * `push` or `reserve`.
   */
  all(): Uint8Array {
    return this.#memory.bytes.subarray(0, 4 * this.#width * this.length);
  }
}
