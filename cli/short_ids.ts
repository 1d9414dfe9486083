/** The pattern of the short form at the end of a snapshot id. */
const END = /[0-9a-f]{6}(?:-safety)?$/;

/**
 * Returns a map from each snapshot id to its short form: the last six
 * hexadecimal digits, followed by `-safety` for a safety snapshot. If the short
 * form would not name exactly one snapshot, the map has the whole id instead.
 *
 * A short form must not be a label or the beginning of another id, because
 * `Repository.find` compares a name first with labels, and then with both ends
 * of ids.
 *
 * @param ids The ids of all snapshots of the repository.
 * @param labels The labels of all snapshots.
 */
export function shortIds(
  ids: readonly string[],
  labels: Iterable<string> = [],
): ReadonlyMap<string, string> {
  const ends = ids.map((id) => END.exec(id)?.[0] ?? id);
  const taken = new Set([...ids.map((id) => id.slice(0, 6)), ...labels]);
  const counts = new Map<string, number>();
  for (const end of ends) counts.set(end, (counts.get(end) ?? 0) + 1);
  return new Map(
    ids.map((id, at) => [
      id,
      counts.get(ends[at]) === 1 && !taken.has(ends[at]) ? ends[at] : id,
    ]),
  );
}
