import type { DiffIndex, SnapshotRecord } from "../../../mod.ts";
// This module is imported directly, because programs other than the extension
// do not need it.
import { isSameRoot } from "../../../lib/repository/snapshot/find_unchanged.ts";
import { changedFields } from "../../../lib/tree/mod.ts";

/** The maximum number of changes that are looked at. */
const MAX_LOOKED_AT = 10_000;

/**
 * Returns whether a difference consists of the times of folders only, as when
 * another program has created an excluded file in a folder. A change of the
 * mode, the owner or the attributes of the directory itself counts as another
 * difference.
 *
 * @param diff The changes since the parent.
 * @param parent The parent.
 */
export function hasOnlyFolderTimes(
  diff: DiffIndex,
  parent: SnapshotRecord,
): boolean {
  if (!isSameRoot(diff.root, parent.root)) return false;
  const { touched, ...others } = diff.counts;
  if (Object.values(others).some((count) => count > 0)) return false;
  if (touched === 0 || touched > MAX_LOOKED_AT) return false;
  return diff.changes.every((change) =>
    change.change === "touched" && change.entry.kind === "directory" &&
    changedFields(change.entry, change.before).every((field) =>
      field === "mtime"
    )
  );
}
