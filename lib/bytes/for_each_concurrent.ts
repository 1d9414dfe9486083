import { turnIfDue } from "./turns.ts";

/**
 * Calls `work` with each item in order, with up to `most` calls in progress at
 * a time. After a failure, no more calls are made, and the function waits for
 * the calls in progress.
 *
 * @param items The items. The next item is pulled when fewer than `most` items
 *   are in progress.
 * @param most The maximum number of items in progress.
 * @param work Called with each item.
 * @throws The error of `items`, or else the first error of `work`.
 */
export async function forEachConcurrent<Item>(
  items: Iterable<Item> | AsyncIterable<Item>,
  most: number,
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const running = new Set<Promise<void>>();
  let failure: { error: unknown } | undefined;
  try {
    for await (const item of items) {
      const turn = turnIfDue();
      if (turn !== undefined) await turn;
      if (failure !== undefined) break;
      const task = work(item)
        .catch((error) => {
          failure ??= { error };
        })
        .finally(() => running.delete(task));
      running.add(task);
      if (running.size >= most) await Promise.race(running);
      if (failure !== undefined) break;
    }
  } finally {
    await Promise.all(running);
  }
  if (failure !== undefined) throw failure.error;
}
