import { DeltarError } from "../../bytes/errors.ts";
import { comparePaths } from "../../tree/path.ts";
import type { Repository } from "../repository.ts";
import type { Wanted } from "./restore_wanted.ts";
import type { SnapshotRecord } from "../snapshot_record.ts";
import type { TreeEntry } from "../layers/tree_layer.ts";

/** The safety snapshots of one piece of work, the earliest first. */
type Group = [SnapshotRecord, ...SnapshotRecord[]];

/**
 * The safety snapshots that bring back what was there before the last restore
 * that is not undone, or before the last undo that is not redone.
 *
 * @param records The safety snapshots of one directory, the newest first.
 * @param way Which of the two.
 * @returns The snapshots of that work, of which the earlier ones count;
 * `undefined` if there is none.
 */
export function groupToRevert(
  records: readonly SnapshotRecord[],
  way: "undo" | "redo",
): Group | undefined {
  const spent = new Set<string>();
  for (const { id, safety } of records) {
    if (safety === undefined || safety.continues !== undefined) continue;
    if (safety.before === "restore" && way === "redo") return undefined;
    const isBack = safety.before === "undo";
    if (isBack === (way === "undo")) spent.add(safety.of);
    else if (!spent.has(id)) return groupOf(records, id);
  }
  return undefined;
}

/** The safety snapshots of the work that began with one of them. */
export function groupOf(
  records: readonly SnapshotRecord[],
  id: string,
): Group | undefined {
  const first = records.find((record) => record.id === id);
  if (first === undefined) return undefined;
  const rest = records.filter(({ safety }) => safety?.continues === id);
  return [first, ...rest.reverse()];
}

/** What was there before some work, and what was not. */
export async function stateBefore(
  repository: Repository,
  group: readonly SnapshotRecord[],
): Promise<{ wanted: Wanted; gone: Set<string> }> {
  const entries = new Map<string, TreeEntry>();
  const gone = new Set<string>();
  for (const record of group) {
    const tree = await repository.tree(record);
    for (const entry of tree.entries) {
      if (!entries.has(entry.path) && !gone.has(entry.path)) {
        entries.set(entry.path, entry);
      }
    }
    for (const { path, reason } of tree.skipped) {
      if (reason === "absent" && !entries.has(path)) gone.add(path);
    }
  }
  return {
    wanted: {
      entries: [...entries.values()]
        .sort((a, b) => comparePaths(a.path, b.path)),
      above: new Set(),
      root: group[0].root,
    },
    gone: new Set([...gone].sort(comparePaths)),
  };
}

/** The error of who wants back what there is not. */
export function nothingTo(way: "undo" | "redo", target: string): DeltarError {
  return new DeltarError(
    "not-found",
    way === "undo"
      ? "no restore into this directory is there to be undone"
      : "no undone restore of this directory is there to be redone",
    { object: target },
  );
}
