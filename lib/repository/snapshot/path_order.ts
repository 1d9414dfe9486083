import { comparePaths } from "../../tree/path.ts";

/** The maximum number of entries in a group that is sorted in one step. */
const GROUP_LENGTH = 2048;

/** Entries in any order, numbered from 0. */
export interface Paths {
  /** The number of entries. */
  readonly length: number;
  /** Returns the path of the entry with the given number. */
  path(number: number): string;
}

/**
 * Returns the numbers of entries in path order. Entries with the same path stay
 * in the order of their numbers. The generator yields every few milliseconds,
 * so that other work can continue. It sorts small groups of entries, and then
 * merges the groups. A merge keeps only two decoded paths in memory.
 */
export function* pathOrder(paths: Paths): Generator<void, Uint32Array, void> {
  const { length } = paths;
  let order = new Uint32Array(length);
  for (let start = 0; start < length; start += GROUP_LENGTH) {
    const group = order.subarray(start, start + GROUP_LENGTH);
    const texts = Array.from(group, (_, at) => paths.path(start + at));
    for (const at of group.keys()) group[at] = start + at;
    group.sort((a, b) =>
      comparePaths(texts[a - start], texts[b - start]) || a - b
    );
    yield;
  }
  let merged = new Uint32Array(length);
  for (let size = GROUP_LENGTH; size < length; size *= 2) {
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
 * Merges two sorted groups into `merged`. The numbers in `left` are less than
 * those in `right`.
 */
function* merge(
  paths: Paths,
  left: Uint32Array,
  right: Uint32Array,
  merged: Uint32Array,
): Generator<void, void, void> {
  const pathAt = (group: Uint32Array, at: number) =>
    at < group.length ? paths.path(group[at]) : undefined;
  let [l, r] = [0, 0];
  let [first, second] = [pathAt(left, l), pathAt(right, r)];
  while (first !== undefined && second !== undefined) {
    if ((l + r) % GROUP_LENGTH === 0) yield;
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
