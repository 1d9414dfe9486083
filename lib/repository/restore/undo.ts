import { DeltarError } from "../../bytes/errors.ts";
import { comparePaths, isWithin } from "../../tree/path.ts";
import type { Store } from "../store/store.ts";
import type { FreshRestore } from "../store/fresh_restore.ts";
import type { TargetState } from "./plan.ts";
import type { SnapshotRecord } from "../format/snapshot_record.ts";
import type { TreeEntry } from "../layers/tree_layer.ts";

/**
 * The safety snapshots of one restore, undo or redo, earliest first. There are
 * several if the restore, undo or redo was interrupted and continued.
 */
export type Group = [SnapshotRecord, ...SnapshotRecord[]];

/**
 * A recorded restore, undo or redo: its safety snapshot or, for a restore into
 * a new or empty directory, its note.
 */
export type PastWork = SnapshotRecord | FreshRestore;

/**
 * Returns whether recorded work is the note of a restore into a new or empty
 * directory.
 */
export function isFresh(work: PastWork | Group): work is FreshRestore {
  return "made" in work;
}

/**
 * Returns the safety snapshots of the operation to revert: for `undo`, the last
 * restore or redo that was not undone; for `redo`, the last undo that was not
 * redone. An undo cannot be redone after a later restore.
 *
 * @param records The safety snapshots of one directory, and the notes of
 * restores into it when it was new or empty, newest first.
 * @param way The direction: `undo` or `redo`.
 * @param paths The paths to which the undo or redo is limited. Default: all.
 * @returns The safety snapshots, or the note of a restore into a new or empty
 * directory. If several safety snapshots contain the same path, the earliest of
 * them applies. The result is `undefined` if there is nothing to revert.
 */
export function groupToRevert(
  records: readonly PastWork[],
  way: "undo" | "redo",
  paths?: readonly string[],
): Group | FreshRestore | undefined {
  /**
   * The paths that were already reverted, by the id of the restore, undo or
   * redo that had changed them.
   */
  const spent = new Map<string, Paths[]>();
  for (const { id, safety } of records) {
    if (safety === undefined || safety.continues !== undefined) continue;
    if (safety.before === "restore" && way === "redo") return undefined;
    const isBack = safety.before === "undo";
    if (isBack === (way === "undo")) {
      spent.set(safety.of, [...spent.get(safety.of) ?? [], safety.paths]);
      continue;
    }
    const asked = both(paths, safety.paths);
    const isSpent = spent.get(id)?.some((done) => covers(done, asked));
    if (asked?.length !== 0 && !isSpent) return groupOf(records, id);
  }
  return undefined;
}

/** Paths, each with everything below it. `undefined` means all paths. */
type Paths = readonly string[] | undefined;

/** Returns the paths that are in `some` and also in `others`. */
function both(some: Paths, others: Paths): Paths {
  if (some === undefined || others === undefined) return some ?? others;
  const within = (inner: readonly string[], outer: readonly string[]) =>
    inner.filter((path) => outer.some((other) => isWithin(path, other)));
  return [...within(some, others), ...within(others, some)];
}

/** Returns whether each of `paths` is within one of `others`. */
function covers(others: Paths, paths: Paths): boolean {
  if (others === undefined) return true;
  return paths?.every((path) =>
    others.some((other) => isWithin(path, other))
  ) ?? false;
}

/**
 * Returns the safety snapshots of a restore, undo or redo, or the note of a
 * restore into a new or empty directory; `undefined` if none of `records` has
 * the id.
 *
 * @param records The safety snapshots of one directory, and the notes of
 * restores into it when it was new or empty, newest first.
 * @param id The id of the first safety snapshot, or of the note.
 */
export function groupOf(
  records: readonly PastWork[],
  id: string,
): Group | FreshRestore | undefined {
  const first = records.find((record) => record.id === id);
  if (first === undefined || isFresh(first)) return first;
  const rest = records.filter((record): record is SnapshotRecord =>
    record.safety?.continues === id
  );
  return [first, ...rest.reverse()];
}

/**
 * Returns the state of a directory before a restore, undo or redo, as far as
 * the state was saved: `wanted` has the entries that existed, and `gone` has
 * the paths that did not exist.
 *
 * @param store The repository.
 * @param group The safety snapshots of the restore, undo or redo, earliest
 * first.
 * @param paths The files and folders whose state is returned. Default: all.
 */
export async function stateBefore(
  store: Store,
  group: readonly SnapshotRecord[],
  paths?: readonly string[],
): Promise<{ wanted: TargetState; gone: Set<string> }> {
  const entries = new Map<string, TreeEntry>();
  const gone = new Set<string>();
  const isAsked = (path: string) =>
    paths?.some((asked) => isWithin(path, asked)) ?? true;
  for (const record of group) {
    const tree = await store.tree(record);
    for (const entry of tree.entries) {
      if (
        isAsked(entry.path) && !entries.has(entry.path) &&
        !gone.has(entry.path)
      ) {
        entries.set(entry.path, entry);
      }
    }
    for (const { path, reason } of tree.skipped) {
      if (reason === "absent" && isAsked(path) && !entries.has(path)) {
        gone.add(path);
      }
    }
  }
  return {
    wanted: {
      entries: [...entries.values()]
        .sort((a, b) => comparePaths(a.path, b.path)),
      above: new Set(),
      root: paths === undefined ? group[0].root : undefined,
    },
    gone: new Set([...gone].sort(comparePaths)),
  };
}

/** Thrown if there is nothing to undo or redo in a directory. */
export class NothingToRevertError extends DeltarError {
  constructor(way: "undo" | "redo", target: string) {
    super(
      "not-found",
      way === "undo"
        ? "nothing to undo: the repository records no restore into this " +
          "directory, or every recorded restore is already undone. A restore " +
          "from a read-only repository is not recorded. To undo such a " +
          "restore, delete the restored files yourself."
        : "nothing to redo: the repository records no undo after the last " +
          "restore into this directory, or every such undo is already redone",
      { object: target },
    );
  }
}
