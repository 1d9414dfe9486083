import { turnIfDue } from "./turns.ts";

/**
 * Does work on items, several at a time; their order is that of the items only
 * at the start. After a failure nothing new is begun, and what is under way is
 * waited for.
 *
 * @param items What to work on; pulled as there is room.
 * @param most How many may be under way at once.
 * @param work What to do with each.
 * @throws The first that `items` or `work` threw.
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
