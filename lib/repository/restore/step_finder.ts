import { comparePaths } from "../../tree/path.ts";
import type { RestoreStep } from "./plan.ts";

/**
 * Finds the steps of a plan by path. Each search begins at the position at
 * which the last search ended, so if paths are looked up in path order, a step
 * is found in a few comparisons.
 */
export class StepFinder {
  readonly #steps: readonly RestoreStep[];
  /** The position at which the last search ended. */
  #last = 0;

  /** Creates a finder for steps, which must be in path order. */
  constructor(steps: readonly RestoreStep[]) {
    this.#steps = steps;
  }

  /** Returns the step of a path; `undefined` if there is none. */
  get(path: string): RestoreStep | undefined {
    const steps = this.#steps;
    let low = 0;
    let high = steps.length;
    // If paths are looked up in path order, the step is usually at or shortly
    // after the position at which the last search ended.
    let middle = Math.min(this.#last, high - 1);
    for (let distance = 1; low < high; distance *= 2) {
      const order = comparePaths(steps[middle].path, path);
      if (order === 0) {
        this.#last = middle;
        return steps[middle];
      }
      if (order < 0) low = middle + 1;
      else high = middle;
      middle = low + Math.min(distance - 1, high - low >>> 1);
    }
    this.#last = low;
    return undefined;
  }
}
