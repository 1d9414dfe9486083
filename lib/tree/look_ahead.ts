/** The maximum number of chosen items that wait to be yielded. */
const MAX_CHOSEN_ITEMS = 8;
/**
 * The maximum total size of the items that wait to be yielded, chosen or not.
 * Their sizes are those that `sizeOf` returns.
 */
const MAX_WAITING_SIZE = 4096;
/** The maximum number of yielded items that are still in memory. */
const MAX_YIELDED_ITEMS = 256;

/**
 * Yields all items of a source in order. The source is read in advance, so that
 * the data of chosen items can be fetched before they are yielded.
 *
 * @param source The source of the items.
 * @param choose Called once with each item, some time before it is yielded.
 * Returns whether data is fetched for the item.
 * @param sizeOf Called with an item. Returns its size, which limits how far the
 * source is read in advance. By default, each item has the size 1.
 */
export function* lookAhead<One>(
  source: Iterable<One>,
  choose: (one: One) => boolean,
  sizeOf: (one: One) => number = () => 1,
): Generator<One> {
  const waiting: { one: One; isChosen: boolean; size: number }[] = [];
  let chosen = 0;
  let total = 0;
  let next = 0;
  const take = () => {
    const { one, isChosen, size } = waiting[next++];
    if (isChosen) chosen--;
    total -= size;
    if (next === MAX_YIELDED_ITEMS) waiting.splice(0, next), next = 0;
    return one;
  };
  for (const one of source) {
    const isChosen = choose(one);
    if (isChosen) chosen++;
    const size = sizeOf(one);
    total += size;
    waiting.push({ one, isChosen, size });
    while (chosen > MAX_CHOSEN_ITEMS || total > MAX_WAITING_SIZE) {
      yield take();
    }
  }
  while (next < waiting.length) yield take();
}
