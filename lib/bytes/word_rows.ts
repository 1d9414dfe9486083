import { GrowingMemory } from "./growing_memory.ts";

/**
 * Rows of a few 32-bit words each, for tables with a very large number of rows.
 * A row takes only the memory of its words, because it is not an object.
 */
export class WordRows {
  /** The number of rows. */
  length = 0;
  readonly #width: number;
  readonly #memory = new GrowingMemory();

  /** Makes an empty list of rows of `width` words. */
  constructor(width: number) {
    this.#width = width;
  }

  /** Adds a row of zeros, and returns its number. */
  push(): number {
    const row = this.length++;
    this.#memory.reserve(4 * this.#width * this.length);
    return row;
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
   * Returns `length` bytes of a row, beginning at a word. The bytes are valid
   * until the next `push`.
   */
  bytes(row: number, word: number, length: number): Uint8Array {
    const start = 4 * (this.#width * row + word);
    return this.#memory.bytes.subarray(start, start + length);
  }

  /**
   * Returns the bytes of all rows, in order. The bytes are valid until the next
   * `push`.
   */
  all(): Uint8Array {
    return this.#memory.bytes.subarray(0, 4 * this.#width * this.length);
  }
}
