import { turnIfDue } from "./turns.ts";

/** Options for {@linkcode mapAhead}. */
export interface AheadOptions {
  /** The maximum number of calls to `work` that are in progress at a time. */
  most: number;
  /**
   * The maximum number of calls to `work` that are in progress until the caller
   * has used the first result. Each result that the caller has used allows one
   * more call at a time, up to `most`. With a small value, a caller that stops
   * early causes little unneeded work. Default: `most`.
   */
  first?: number;
}

/**
 * Yields the result of `work` for each item, in the order of the items. While
 * a result is awaited or used, work on the next items is in progress. After an
 * error, or if the caller stops early, the generator makes no more calls, waits
 * for the calls in progress, and ignores their results.
 *
 * @param items The items.
 * @param options The maximum numbers of calls to `work` in progress.
 * @param work Called with each item.
 * @throws The error of `work` for the first item, in order, for which it
 *   failed.
 */
export async function* mapAhead<Item, Result>(
  items: Iterable<Item>,
  { most, first = most }: AheadOptions,
  work: (item: Item) => Promise<Result>,
): AsyncGenerator<Result> {
  const coming: Promise<Result>[] = [];
  let room = first;
  const iterator = items[Symbol.iterator]();
  let isOver = false;
  try {
    while (true) {
      while (!isOver && coming.length < room) {
        const next = iterator.next();
        isOver = next.done === true;
        if (next.done) break;
        const result = work(next.value);
        // The error is handled when this result is awaited. Until then, this
        // empty handler keeps the runtime from reporting an unhandled error.
        result.catch(() => {});
        coming.push(result);
      }
      const result = coming.shift();
      if (result === undefined) return;
      yield await result;
      room = Math.min(most, room + 1);
      const turn = turnIfDue();
      if (turn !== undefined) await turn;
    }
  } finally {
    await Promise.allSettled(coming);
  }
}
