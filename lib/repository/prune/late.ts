import type { SnapshotRecord } from "../format/snapshot_record.ts";
import { timeOfId } from "../format/names.ts";
import type { JudgedGroup } from "./judged.ts";

/**
 * Returns the snapshots that appeared in a repository after snapshots of the
 * same directory that sort after them. A writer never makes such a snapshot: it
 * takes the last snapshot of the directory as the parent, and its id sorts after
 * the parent's. A late snapshot was copied from another repository, was brought
 * back, was taken at the same time as another one, or has a forged id.
 *
 * There are two kinds of evidence:
 *
 * - A later snapshot has a parent that sorts before the late one.
 * - An earlier prune counted a later snapshot, but not the late one, or counted it
 *   with another time.
 *
 * Somebody who can only add objects can forge records and lists of counted
 * snapshots, and so make other snapshots late, but cannot make a late snapshot
 * count.
 *
 * @param records The trusted snapshots of one directory of one machine, in the
 * order of their ids.
 * @param judged The snapshots of the directory that earlier prunes counted.
 * @param hasParents Whether a snapshot has the one before it as its parent. False
 * for safety snapshots.
 */
export function findLate(
  records: readonly SnapshotRecord[],
  judged: readonly JudgedGroup[],
  hasParents: boolean,
): Set<SnapshotRecord> {
  const originals = findOriginals(records);
  // The newest counted snapshot that still exists. The user may have removed
  // newer ones.
  const known = judged.map(({ times }) => ({
    times,
    newest: records.findLast(({ id }) => times.has(id))?.id ?? "",
  }));
  const late = new Set<SnapshotRecord>();
  // Without any parent there is no evidence.
  const isChain = hasParents &&
    records.some(({ parent }) => parent !== undefined);
  /** The lowest id that a later snapshot has as its parent. */
  let lowest: string | undefined;
  for (const record of records.toReversed()) {
    const id = originals.get(record) ?? record.id;
    const isSkipped = lowest !== undefined && lowest < id;
    const isUnknown = known.some(({ times, newest }) =>
      id <= newest && times.get(id) !== record.time
    );
    if (isSkipped || isUnknown) late.add(record);
    else if (isChain) {
      const { parent = record.repairs ?? record.follows ?? "" } = record;
      if (lowest === undefined || parent < lowest) lowest = parent;
    }
  }
  return late;
}

/**
 * Returns, for each snapshot with which a repair replaced another one, the id
 * of the other one. It has the same time in its id, and does not exist any
 * more. A snapshot is replaced only once.
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
