import { toHex } from "../bytes/hex.ts";
import { sha256 } from "../bytes/sha256.ts";

/**
 * The keys of the large files that a run has stored whole so far. A key is made
 * from the size and the first bytes of a file.
 */
export class LargeStarts {
  readonly #starts = new Set<string>();

  /** Adds the key of a file, as returned by `startOf`. */
  add(start: string): void {
    this.#starts.add(start);
  }

  /**
   * Returns whether a large file has the same key as a stored file. If so, the
   * content might already be stored, so the caller hashes the file before it
   * stores anything.
   *
   * @param size The size of the file in bytes.
   * @param open Called to read the file from its start.
   */
  has(size: number, open: () => Iterable<Uint8Array>): boolean {
    if (this.#starts.size === 0) return false;
    for (const piece of open()) return this.#starts.has(startOf(size, piece));
    return false;
  }
}

/**
 * Returns a key that is made from the size of a large file in bytes and from
 * the first piece of the file. Files with equal contents have equal keys, if
 * their first pieces have the same length.
 */
export function startOf(size: number, piece: Uint8Array): string {
  return `${size} ${toHex(sha256(piece))}`;
}
