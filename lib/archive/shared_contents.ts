import { toHex } from "../bytes/hex.ts";
import { sha256 } from "../bytes/sha256.ts";

/** The contents that one run stores whole, so that each is stored once. */
export class SharedContents {
  /** The path that each was stored under, by its SHA-256. */
  readonly #paths = new Map<string, string>();
  /** How the large ones begin. */
  readonly #starts = new Set<string>();

  /**
   * Notes that a content was stored; empty ones are of no use to others.
   *
   * @param sum Its SHA-256, in hexadecimal.
   * @param path The path it was stored under.
   * @param start What `startOf` says, if it is large.
   */
  add(sum: string, path: string, start?: string): void {
    if (!this.#paths.has(sum)) this.#paths.set(sum, path);
    if (start !== undefined) this.#starts.add(start);
  }

  /** The path that a content was stored under, if it was. */
  find(sum: string): string | undefined {
    return this.#paths.get(sum);
  }

  /**
   * Whether a large file begins as one that was stored, so that it is worth
   * reading twice.
   *
   * @param size Its length in bytes.
   * @param open Reads it from its start.
   */
  mayHave(size: number, open: () => Iterable<Uint8Array>): boolean {
    if (this.#starts.size === 0) return false;
    for (const piece of open()) return this.#starts.has(startOf(size, piece));
    return false;
  }
}

/** What large files with the same content have in common, and few others. */
export function startOf(size: number, piece: Uint8Array): string {
  return `${size} ${toHex(sha256(piece))}`;
}
