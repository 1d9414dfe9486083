/** The number of chosen items that are announced ahead. */
const CHOSEN = 8;
/** The number of items that may wait in all. */
const WAITING = 4096;

/**
 * Gives all of a source in its order, but looks ahead for some of them, so that
 * what these need can be fetched meanwhile.
 *
 * @param source What is given.
 * @param choose Called once for each, before its turn comes: whether it is one of
 * those that something is fetched for.
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
    if (next === WAITING) waiting.splice(0, next), next = 0;
    return one;
  };
  for (const one of source) {
    const isChosen = choose(one);
    if (isChosen) chosen++;
    waiting.push({ one, isChosen });
    while (chosen > CHOSEN || waiting.length - next > WAITING) yield take();
  }
  while (next < waiting.length) yield take();
}
