import { turnIfDue } from "../bytes/turns.ts";

/**
 * Does something with each item, several at a time.
 *
 * @param items What to work on.
 * @param most How many at a time.
 * @param work What to do; after the first that fails none is begun.
 * @throws What `work` failed with first, when all that was begun has ended.
 */
export async function each<Item>(
  items: Iterable<Item>,
  most: number,
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const iterator = items[Symbol.iterator]();
  let failure: { error: unknown } | undefined;
  const worker = async () => {
    while (failure === undefined) {
      const { value, done } = iterator.next();
      if (done) return;
      const turn = turnIfDue();
      if (turn !== undefined) await turn;
      try {
        await work(value);
      } catch (error) {
        failure ??= { error };
      }
    }
  };
  await Promise.all(Array.from({ length: most }, worker));
  if (failure !== undefined) throw failure.error;
}
