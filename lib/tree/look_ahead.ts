/** The maximum number of chosen items that wait to be yielded. */
const MAX_CHOSEN = 8;
/** The maximum number of items, chosen or not, that wait to be yielded. */
const MAX_WAITING = 4096;

/**
 * Yields all items of a source in order. The source is read in advance, so that
 * the data of chosen items can be fetched before they are yielded.
 *
 * @param source The source of the items.
 * @param choose Called once with each item, some time before it is yielded.
 * Returns whether data is fetched for the item.
 */
export function* lookAhead<One>(
  source: Iterable<One>,
  choose: (one: One) => boolean,
): Generator<One> {
  const waiting: { one: One; isChosen: boolean }[] = [];
  let chosen = 0;
  let next = 0;
  const take = () => {
    const { one, isChosen } = waiting[next++];
    if (isChosen) chosen--;
    if (next === MAX_WAITING) waiting.splice(0, next), next = 0;
    return one;
  };
  for (const one of source) {
    const isChosen = choose(one);
    if (isChosen) chosen++;
    waiting.push({ one, isChosen });
    while (chosen > MAX_CHOSEN || waiting.length - next > MAX_WAITING) {
      yield take();
    }
  }
  while (next < waiting.length) yield take();
}
