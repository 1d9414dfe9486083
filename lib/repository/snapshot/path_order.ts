import { comparePaths } from "../../tree/path.ts";

/** The number of entries in a run, which is sorted in one step. */
const RUN_LENGTH = 2048;

/** Numbered entries, in any order. */
export interface Paths {
  /** The number of entries. */
  readonly length: number;
  /** Returns the path of an entry by its number. */
  path(number: number): string;
}

/**
 * Returns the numbers of entries in path order. Entries with the same path stay
 * in the order of their numbers. The generator yields every few milliseconds.
 * It sorts short runs of entries and merges them, because a merge decodes each
 * path only once.
 */
export function* pathOrder(paths: Paths): Generator<void, Uint32Array, void> {
  const { length } = paths;
  let order = new Uint32Array(length);
  for (let start = 0; start < length; start += RUN_LENGTH) {
    const run = order.subarray(start, start + RUN_LENGTH);
    const texts = Array.from(run, (_, at) => paths.path(start + at));
    for (const at of run.keys()) run[at] = start + at;
    run.sort((a, b) =>
      comparePaths(texts[a - start], texts[b - start]) || a - b
    );
    yield;
  }
  let merged = new Uint32Array(length);
  for (let size = RUN_LENGTH; size < length; size *= 2) {
    for (let start = 0; start < length; start += 2 * size) {
      const left = order.subarray(start, start + size);
      const right = order.subarray(start + size, start + 2 * size);
      yield* merge(paths, left, right, merged.subarray(start));
    }
    [order, merged] = [merged, order];
  }
  return order;
}

/**
 * Merges two sorted runs. The numbers in `left` are less than those in `right`.
 */
function* merge(
  paths: Paths,
  left: Uint32Array,
  right: Uint32Array,
  merged: Uint32Array,
): Generator<void, void, void> {
  const pathAt = (run: Uint32Array, at: number) =>
    at < run.length ? paths.path(run[at]) : undefined;
  let [l, r] = [0, 0];
  let [first, second] = [pathAt(left, l), pathAt(right, r)];
  while (first !== undefined && second !== undefined) {
    if ((l + r) % RUN_LENGTH === 0) yield;
    if (comparePaths(first, second) <= 0) {
      merged[l + r] = left[l++];
      first = pathAt(left, l);
    } else {
      merged[l + r] = right[r++];
      second = pathAt(right, r);
    }
  }
  merged.set(left.subarray(l), l + r);
  merged.set(right.subarray(r), left.length + r);
}
