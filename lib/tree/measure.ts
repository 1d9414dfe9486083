import type { Step } from "./index_steps.ts";
import { bytesOf } from "./known_entries.ts";

/** The totals of a directory that is being indexed. */
export interface Totals {
  /** The total number of entries. */
  allEntries: number;
  /** The total size of all files, in bytes. */
  allBytes: number;
  /** The total size of the files that must be read, in bytes. */
  allRead: number;
}

/**
 * The time before the second walk starts, in milliseconds. If the indexing
 * takes less time, nothing is counted.
 */
const DELAY_MS = 500;
/** The duration of one slice of counting, in milliseconds. */
const SLICE_MS = 10;
/** The time between two slices, in milliseconds. */
const PAUSE_MS = 30;

/**
 * A counter of the entries and bytes of a directory that is being indexed. The
 * counter runs a second walk in short time slices, which take up to about a
 * quarter of the time. The only files that the second walk reads are ignore
 * files and tags.
 */
export class Measure {
  readonly #steps: Iterator<Step>;
  readonly #totals: Totals = { allEntries: 0, allBytes: 0, allRead: 0 };
  #next = performance.now() + DELAY_MS;
  #state: "walking" | "done" | "failed" = "walking";

  /**
   * Makes a counter of the entries that a second walk finds.
   *
   * @param steps The steps of the second walk.
   */
  constructor(steps: Iterable<Step>) {
    this.#steps = steps[Symbol.iterator]();
  }

  /**
   * Continues the counting for one slice, if a slice is due.
   *
   * @returns The totals, or `undefined` if the second walk has not ended or has
   * failed.
   */
  advance(): Totals | undefined {
    if (this.#state === "walking" && performance.now() >= this.#next) {
      try {
        this.#walk(performance.now() + SLICE_MS);
      } catch {
        // The first walk encounters the same error and reports it.
        this.#state = "failed";
      }
      this.#next = performance.now() + PAUSE_MS;
    }
    return this.#state === "done" ? this.#totals : undefined;
  }

  /** Ends the second walk. */
  close(): void {
    this.#steps.return?.();
  }

  #walk(end: number): void {
    const totals = this.#totals;
    while (performance.now() < end) {
      const { done, value } = this.#steps.next();
      if (done) {
        this.#state = "done";
        return;
      }
      if (value.known !== undefined) {
        totals.allEntries += value.known.count;
        totals.allBytes += bytesOf(value.known);
        continue;
      }
      totals.allEntries++;
      totals.allBytes += value.entry.size;
      totals.allRead += value.toRead?.size ?? 0;
    }
  }
}
