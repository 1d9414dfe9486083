import type { Step } from "./index_steps.ts";

/** The total amount of work. */
export interface Totals {
  /** The number of all entries. */
  allEntries: number;
  /** The number of bytes of all files. */
  allBytes: number;
  /** The number of bytes of the files that have to be read. */
  allRead: number;
}

/**
 * The time before the measuring starts, in milliseconds. Work that ends sooner
 * is not measured.
 */
const DELAY_MS = 500;
/** The duration of one slice of measuring, in milliseconds. */
const SLICE_MS = 10;
/** The time between two slices, in milliseconds. */
const PAUSE_MS = 30;

/**
 * Measures a directory during the work on it. A second walk runs ahead in
 * slices of time, adds up the totals, and reads no file. It takes a quarter of
 * the time until it ends.
 */
export class Measure {
  readonly #steps: Iterator<Step>;
  readonly #totals: Totals = { allEntries: 0, allBytes: 0, allRead: 0 };
  #next = performance.now() + DELAY_MS;
  #state: "walking" | "done" | "failed" = "walking";

  /** Measures the steps of a walk. */
  constructor(steps: Iterable<Step>) {
    this.#steps = steps[Symbol.iterator]();
  }

  /**
   * Continues the measuring for one slice, if a slice is due.
   *
   * @returns The totals, if the walk has ended.
   */
  advance(): Totals | undefined {
    if (this.#state === "walking" && performance.now() >= this.#next) {
      try {
        this.#walk(performance.now() + SLICE_MS);
      } catch {
        // The work itself meets the same error and reports it.
        this.#state = "failed";
      }
      this.#next = performance.now() + PAUSE_MS;
    }
    return this.#state === "done" ? this.#totals : undefined;
  }

  /** Ends the walk. */
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
      totals.allEntries++;
      totals.allBytes += value.entry.size;
      totals.allRead += value.toRead?.size ?? 0;
    }
  }
}
