/** The pattern of the end of an id that `shortIds` can return. */
const END = /[0-9a-f]{6}(?:-safety)?$/;

/**
 * Returns the short form of each snapshot id, by the whole id. The short form
 * is the last six hexadecimal digits, followed by `-safety` for a safety
 * snapshot. An id whose short form would not name exactly one snapshot is
 * returned whole.
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
