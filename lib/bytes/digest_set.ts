import { fillHex } from "./hex.ts";

/** The number of 32-bit words of a digest. */
const WORDS = 3;
/** The minimum number of slots. A power of two. */
const MIN_SLOTS = 1 << 8;

/**
 * A set of 96-bit digests in a hash table with open addressing, for sets with
 * millions of digests. A large set takes 16 to 32 bytes for each digest. A
 * digest of zeros cannot be added.
 */
export class DigestSet {
  /** The words of each slot. A slot is free if its words are zeros. */
  #slots = new Uint32Array(WORDS * MIN_SLOTS);
  #used = 0;
  readonly #bytes = new Uint8Array(4 * WORDS);
  readonly #words = new Uint32Array(this.#bytes.buffer);

  /**
   * Returns whether a digest is in the set.
   *
   * @param digest The digest in hexadecimal, with 24 digits.
   */
  has(digest: string): boolean {
    fillHex(this.#bytes, digest);
    return this.#slotOf(this.#words) >= 0;
  }

  /**
   * Adds a digest.
   *
   * @param digest The digest in hexadecimal, with 24 digits.
   */
  add(digest: string): void {
    fillHex(this.#bytes, digest);
    if (this.#slotOf(this.#words) >= 0) return;
    this.#used++;
    if (4 * WORDS * this.#used > 3 * this.#slots.length) this.#grow();
    this.#slots.set(this.#words, ~this.#slotOf(this.#words));
  }

  #grow(): void {
    const slots = this.#slots;
    this.#slots = new Uint32Array(2 * slots.length);
    for (let at = 0; at < slots.length; at += WORDS) {
      const digest = slots.subarray(at, at + WORDS);
      if (!isFree(digest, 0)) this.#slots.set(digest, ~this.#slotOf(digest));
    }
  }

  /**
   * Returns the position of the slot of a digest or, if the set does not have
   * the digest, the bitwise complement of the position of the free slot for it.
   */
  #slotOf(digest: Uint32Array): number {
    const slots = this.#slots;
    const mask = slots.length / WORDS - 1;
    for (let slot = digest[0] & mask;; slot = slot + 1 & mask) {
      const at = WORDS * slot;
      if (isFree(slots, at)) return ~at;
      if (
        slots[at] === digest[0] && slots[at + 1] === digest[1] &&
        slots[at + 2] === digest[2]
      ) return at;
    }
  }
}

function isFree(slots: Uint32Array, at: number): boolean {
  return slots[at] === 0 && slots[at + 1] === 0 && slots[at + 2] === 0;
}
