import { SharedWork } from "./shared_work.ts";

/**
 * The maximum number of changes that are kept, in all lists together. A single
 * list can be longer.
 */
const MAX_KEPT_CHANGES = 200_000;

/** A list of changes that is kept or is being read. */
interface Kept<Change> {
  changes: SharedWork<Change[]>;
  /** The number of changes; 0 until the list has been read. */
  count: number;
}

/**
 * A cache of the most recently used lists of changes. VS Code requests the rows
 * of all expanded folders each time a view is updated, and a large list takes
 * time to compute. Snapshots never change, so a list can be used again.
 */
export class ChangesCache<Change> {
  /** The lists by their keys, the least recently used one first. */
  readonly #kept = new Map<string, Kept<Change>>();

  /**
   * Returns the list with a key, and reads the list if it is not kept. A list
   * that could not be read is read again the next time. Reading ends early when
   * all requests that wait for the list are cancelled.
   *
   * @param key The key. Lists with different changes have different keys.
   * @param read Called if the list is not kept. Returns the changes, unless its
   *   signal fires.
   * @param signal The signal that is aborted when the request is cancelled.
   * @throws {DeltarError} `aborted` if the signal fired; the error of `read`.
   */
  get(
    key: string,
    read: (signal: AbortSignal) => Promise<Change[]>,
    signal: AbortSignal,
  ): Promise<Change[]> {
    const known = this.#kept.get(key);
    if (known !== undefined && !known.changes.isCancelled) {
      this.#kept.delete(key);
      this.#kept.set(key, known);
      return known.changes.wait(signal);
    }
    const kept: Kept<Change> = { changes: new SharedWork(read), count: 0 };
    this.#kept.set(key, kept);
    kept.changes.result.then(
      ({ length }) => {
        kept.count = length;
        if (this.#kept.get(key) !== kept) return;
        // Other lists might have been used while this one was read. This list
        // is moved behind them, because it is used now.
        this.#kept.delete(key);
        this.#kept.set(key, kept);
        this.#shrink();
      },
      () => {
        if (this.#kept.get(key) === kept) this.#kept.delete(key);
      },
    );
    return kept.changes.wait(signal);
  }

  /**
   * Drops the least recently used lists until the others together are within
   * the limit, or only one list is left.
   */
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
