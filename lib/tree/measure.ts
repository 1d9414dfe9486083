import type { Step } from "./index_steps.ts";

/** The total amount of work. */
export interface Totals {
  /** All entries. */
  allEntries: number;
  /** The bytes of all files. */
  allBytes: number;
  /** The bytes of those that have to be read. */
  allRead: number;
}

/**
 * The time before the measuring starts, in milliseconds: short work needs none.
 */
const DELAY_MS = 500;
/** The time of one slice of measuring, in milliseconds. */
const SLICE_MS = 10;
/** The time between two slices, in milliseconds. */
const PAUSE_MS = 30;

/**
 * Measures a directory beside the work that is done with it: a second walk goes
 * ahead in slices of time, and keeps nothing but sums. It takes a quarter of
 * the time until it has come to its end, and no file is read for it.
 */
export class Measure {
  readonly #steps: Iterator<Step>;
  readonly #totals: Totals = { allEntries: 0, allBytes: 0, allRead: 0 };
  #next = performance.now() + DELAY_MS;
  #state: "walking" | "done" | "failed" = "walking";

  /** Measures what a walk gives. */
  constructor(steps: Iterable<Step>) {
    this.#steps = steps[Symbol.iterator]();
  }

  /**
   * Goes on for a moment, if it is time to.
   *
   * @returns All there is, once that is known.
   */
  advance(): Totals | undefined {
    if (this.#state === "walking" && performance.now() >= this.#next) {
      try {
        this.#walk(performance.now() + SLICE_MS);
      } catch {
        // Whoever does the work meets the fault, and tells of it.
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
