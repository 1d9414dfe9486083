import type { Signature } from "./signature.ts";

/**
 * The maximum number of blocks in the table with the same weak sum and
 * different contents. This maximum limits the time that a search with a crafted
 * signature can take.
 */
const MAX_EQUAL_SUMS = 8;

/**
 * A hash table with open addressing that finds the blocks of a signature by
 * their weak sums. Of several blocks with equal content, only the first one is
 * entered, so that many equal blocks do not make a search slower. A short last
 * block is not entered.
 */
export class BlockTable {
  readonly #signature: Signature;
  /**
   * For each slot, the number of its block plus one, or 0 if the slot is free.
   */
  readonly #slots: Int32Array;
  readonly #shift: number;
  /**
   * An odd number that is random for each table, so that an attacker cannot
   * craft weak sums that collide in the table.
   */
  readonly #multiplier = Math.floor(Math.random() * 2 ** 31) * 2 + 1;

  constructor(signature: Signature) {
    this.#signature = signature;
    const blocks = Math.floor(signature.fileSize / signature.blockSize);
    const bits = Math.ceil(Math.log2(Math.max(8, blocks))) + 1;
    this.#slots = new Int32Array(2 ** bits);
    this.#shift = 32 - bits;
    for (let block = 0; block < blocks; block++) this.#enter(block);
  }

  /**
   * Returns the number of the first block in the table with the weak and the
   * strong sum of a window, or -1 if no block has both sums.
   *
   * @param sum The weak sum of a window.
   * @param digest Called at most once, if a block has this weak sum. Returns
   *   the strong sum of the window.
   */
  find(sum: number, digest: () => Uint8Array): number {
    const signature = this.#signature;
    const mask = this.#slots.length - 1;
    let strong: Uint8Array | undefined;
    let slot = Math.imul(sum, this.#multiplier) >>> this.#shift;
    for (; this.#slots[slot] !== 0; slot = slot + 1 & mask) {
      const block = this.#slots[slot] - 1;
      if (signature.weak[block] !== sum) continue;
      strong ??= digest();
      if (signature.hasStrong(block, strong)) return block;
    }
    return -1;
  }

  #enter(block: number): void {
    const { weak } = this.#signature;
    const sum = weak[block];
    const mask = this.#slots.length - 1;
    let slot = Math.imul(sum, this.#multiplier) >>> this.#shift;
    let equal = 0;
    for (; this.#slots[slot] !== 0; slot = slot + 1 & mask) {
      const other = this.#slots[slot] - 1;
      if (weak[other] !== sum) continue;
      if (++equal === MAX_EQUAL_SUMS || this.#same(block, other)) return;
    }
    this.#slots[slot] = block + 1;
  }

  /** Returns whether two blocks have the same strong sum. */
  #same(block: number, other: number): boolean {
    const { strong, strongLength } = this.#signature;
    const from = block * strongLength;
    const to = other * strongLength;
    for (let index = 0; index < strongLength; index++) {
      if (strong[from + index] !== strong[to + index]) return false;
    }
    return true;
  }
}
