import { toHex } from "../bytes/hex.ts";
import { sha256 } from "../bytes/sha256.ts";

/** The beginnings of the large files that one run stores whole. */
export class LargeStarts {
  readonly #starts = new Set<string>();

  /** Notes what `startOf` says of one. */
  add(start: string): void {
    this.#starts.add(start);
  }

  /**
   * Returns whether a large file begins as one that was stored, so that it is worth
   * reading twice.
   *
   * @param size Its length in bytes.
   * @param open Reads it from its start.
   */
  has(size: number, open: () => Iterable<Uint8Array>): boolean {
    if (this.#starts.size === 0) return false;
    for (const piece of open()) return this.#starts.has(startOf(size, piece));
    return false;
  }
}

/** Returns a key that large files of equal content share, and few others. */
export function startOf(size: number, piece: Uint8Array): string {
  return `${size} ${toHex(sha256(piece))}`;
}
