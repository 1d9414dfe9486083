import { fillHex } from "../bytes/hex.ts";
import type { EntryRows } from "./entry_rows.ts";

/** The minimum number of slots of a table. */
const MIN_SLOTS = 1 << 10;

/**
 * A hash table that finds files by the SHA-256 of their content. It takes 8 to
 * 16 bytes for each file that is expected or added, and at least 4 KiB.
 */
export class ContentTable {
  readonly #entries: EntryRows;
  /** For each slot, the number of the file plus one; 0 for a free slot. */
  #slots: Uint32Array;
  #used = 0;
  readonly #sum = new Uint8Array(32);
  readonly #sumWords = new Uint32Array(this.#sum.buffer);

  /**
   * Makes an empty table.
   *
   * @param entries The entries of the files. A file's number is the number of
   * its entry.
   * @param expected The number of files that are likely to be added. Default:
   * 0.
   */
  constructor(entries: EntryRows, expected = 0) {
    this.#entries = entries;
    const slots = 2 ** Math.ceil(Math.log2(2 * expected + 1));
    this.#slots = new Uint32Array(Math.max(MIN_SLOTS, slots));
  }

  /**
   * Adds the file with the given number. If a file with the same content was
   * added before, the table keeps only the earlier file.
   */
  add(number: number): void {
    if (2 * ++this.#used > this.#slots.length) this.#grow();
    this.#put(number);
  }

  /**
   * Returns the number of the file that has the given SHA-256 in hexadecimal,
   * or -1 if the table has no such file.
   */
  find(sha256: string): number {
    fillHex(this.#sum, sha256);
    return this.#slots[this.#slot()] - 1;
  }

  /**
   * Returns the number of the file in the table that has the same SHA-256 as
   * the file with the given number, or -1 if the table has no such file.
   */
  findSame(number: number): number {
    this.#entries.fillSum(this.#sumWords, number);
    return this.#slots[this.#slot()] - 1;
  }

  /** Frees the memory of the table. The table cannot be used afterwards. */
  close(): void {
    this.#slots = new Uint32Array(0);
  }

  #put(number: number): void {
    this.#entries.fillSum(this.#sumWords, number);
    const slot = this.#slot();
    if (this.#slots[slot] === 0) this.#slots[slot] = number + 1;
  }

  #grow(): void {
    const numbers = this.#slots;
    this.#slots = new Uint32Array(2 * numbers.length);
    for (const number of numbers) if (number > 0) this.#put(number - 1);
  }

  /**
   * Returns the number of the slot that has the file with the SHA-256 in
   * `#sum`, or of the free slot for this file.
   */
  #slot(): number {
    const mask = this.#slots.length - 1;
    for (let slot = this.#sumWords[0] & mask;; slot = slot + 1 & mask) {
      const number = this.#slots[slot] - 1;
      if (number < 0 || this.#entries.hasSum(number, this.#sumWords)) {
        return slot;
      }
    }
  }
}
