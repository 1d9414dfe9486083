import type { SnapshotRecord } from "../format/snapshot_record.ts";
import { timeOfId } from "../format/names.ts";
import { countedByAll, type JudgedGroup } from "./judged.ts";

/**
 * The reason why the rules do not count a snapshot:
 *
 * - `skipped`: a later snapshot has a parent that sorts before this snapshot.
 *   The later snapshot may be forged if earlier prunes counted this snapshot
 *   but not the later one, or if there was no earlier prune. Only in these
 *   cases, `by` is set to the id of the later snapshot.
 * - `unlisted`: an earlier prune counted a later snapshot, but did not count
 *   this one or counted it with another time.
 * - `first`: this snapshot claims to be the first of its directory, but all
 *   earlier prunes counted a snapshot that sorts before this one.
 */
export type Late =
  | { kind: "skipped"; by?: string }
  | { kind: "unlisted" }
  | { kind: "first" };

/**
 * Finds late snapshots. A snapshot is late if it appeared in the repository
 * after a snapshot of the same directory that sorts after it. A writer takes
 * the last snapshot of the directory as the parent, and makes an id that sorts
 * after the parent's id. So a snapshot is late only if it was copied from
 * another repository, was brought back, was taken at the same time as another
 * one, or has a forged id.
 *
 * There are two kinds of evidence:
 *
 * - A later snapshot has a parent that sorts before the late one.
 * - An earlier prune counted a later snapshot, but did not count the late one
 *   or counted it with another time.
 *
 * An attacker who can only add objects can forge records and lists of counted
 * snapshots. With them, the attacker can make other snapshots late, but cannot
 * make the rules count a late snapshot, with one exception.
 *
 * A snapshot without a parent would make all earlier snapshots of its directory
 * late. But if all earlier prunes counted one of these earlier snapshots, the
 * snapshot without a parent is not the first of its directory. Then it is not
 * counted, and makes no other snapshot late. So a late snapshot can be counted,
 * but only if it sorts before all other snapshots. Such a snapshot does not
 * take the place of any other snapshot.
 *
 * @param records The trusted snapshots of one directory of one machine, in the
 * order of their ids.
 * @param judged The snapshots of the directory that each earlier prune counted.
 * @param hasParents Whether the parent of each snapshot is the snapshot before
 * it. False for safety snapshots.
 * @returns The evidence against each late snapshot.
 */
export function findLate(
  records: readonly SnapshotRecord[],
  judged: readonly JudgedGroup[],
  hasParents: boolean,
): Map<SnapshotRecord, Late> {
  const originals = findOriginals(records);
  // `newest` is the id of the newest counted snapshot that still exists. The
  // user may have removed newer snapshots.
  const known = judged.map(({ times }) => ({
    times,
    newest: records.findLast(({ id }) => times.has(id))?.id ?? "",
  }));
  const late = new Map<SnapshotRecord, Late>();
  const counted = countedByAll(judged);
  const firstCounted = records
    .find(({ id, time }) => counted.get(id) === time)?.id;
  // If no record names a parent, nothing can be concluded from a missing
  // parent.
  const isChain = hasParents &&
    records.some(({ parent }) => parent !== undefined);
  /**
   * The lowest parent id of the later snapshots, and the id of the snapshot
   * that has this parent.
   */
  let lowest: { parent: string; by: string } | undefined;
  for (const record of records.toReversed()) {
    const id = originals.get(record) ?? record.id;
    const isUnknown = known.some(({ times, newest }) =>
      id <= newest && times.get(id) !== record.time
    );
    if (lowest !== undefined && lowest.parent < id) {
      const { by } = lowest;
      const isDoubted = judged.length === 0 ||
        counted.get(id) === record.time && !counted.has(by);
      late.set(record, { kind: "skipped", ...isDoubted && { by } });
    } else if (isUnknown) late.set(record, { kind: "unlisted" });
    else if (isChain) {
      const { parent = record.repairs ?? record.follows } = record;
      const isFirst = parent === undefined;
      if (
        isFirst && firstCounted !== undefined && firstCounted < id &&
        !counted.has(id)
      ) late.set(record, { kind: "first" });
      else if (lowest === undefined || (parent ?? "") < lowest.parent) {
        lowest = { parent: parent ?? "", by: record.id };
      }
    }
  }
  return late;
}

/**
 * Finds the snapshots that replaced other snapshots in a repair or purge.
 * Returns, for each of them, the id of the replaced snapshot. A replaced
 * snapshot is returned only if it no longer exists and both ids contain the
 * same time. Each replaced snapshot is returned only once.
 */
function findOriginals(
  records: readonly SnapshotRecord[],
): Map<SnapshotRecord, string> {
  const ids = new Set(records.map(({ id }) => id));
  const originals = new Map<SnapshotRecord, string>();
  for (const record of records) {
    const { id, repairs } = record;
    if (repairs === undefined || ids.has(repairs)) continue;
    if (timeOfId(repairs) !== timeOfId(id) || repairs > id) continue;
    ids.add(repairs);
    originals.set(record, repairs);
  }
  return originals;
}
