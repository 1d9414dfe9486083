/**
 * The maximum number of changes that are kept, in all lists together. A single
 * list can be longer.
 */
const MAX_KEPT_CHANGES = 200_000;

/** A list that is kept, or that is being read. */
interface Kept<Change> {
  changes: Promise<Change[]>;
  /** The number of changes; 0 until the list has been read. */
  count: number;
}

/**
 * The lists of changes that were used last. VS Code asks for the rows of all
 * expanded folders each time that a view is updated, and a large list takes time
 * to compute. Snapshots never change, so a list can be used again.
 */
export class ChangesCache<Change> {
  /** The lists by their keys, the least recently used one first. */
  readonly #kept = new Map<string, Kept<Change>>();

  /**
   * Returns the list with a key, and reads the list if it is not kept. A list
   * that could not be read is read again the next time.
   *
   * @param key The text that differs for lists with different changes.
   * @param read Returns the changes.
   */
  get(key: string, read: () => Promise<Change[]>): Promise<Change[]> {
    const known = this.#kept.get(key);
    if (known !== undefined) {
      this.#kept.delete(key);
      this.#kept.set(key, known);
      return known.changes;
    }
    const kept: Kept<Change> = { changes: read(), count: 0 };
    this.#kept.set(key, kept);
    kept.changes.then(
      ({ length }) => {
        kept.count = length;
        if (this.#kept.get(key) !== kept) return;
        // Other lists can have been used since this one was requested.
        this.#kept.delete(key);
        this.#kept.set(key, kept);
        this.#shrink();
      },
      () => {
        if (this.#kept.get(key) === kept) this.#kept.delete(key);
      },
    );
    return kept.changes;
  }

  /** Forgets lists until the others are short enough, or only one is left. */
  #shrink(): void {
    let total = 0;
    for (const { count } of this.#kept.values()) total += count;
    for (const [key, { count }] of this.#kept) {
      if (total <= MAX_KEPT_CHANGES || this.#kept.size === 1) return;
      this.#kept.delete(key);
      total -= count;
    }
  }
}
