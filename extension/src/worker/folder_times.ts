import type { DiffIndex } from "../../../mod.ts";
import { changedFields } from "../../../lib/tree/mod.ts";

/** The maximum number of changes that are looked at. */
const MAX_LOOKED_AT = 10_000;

/**
 * Returns whether a difference consists of the times of folders only, as when
 * another program has created an excluded file in a folder.
 */
export function hasOnlyFolderTimes(diff: DiffIndex): boolean {
  const { touched, ...others } = diff.counts;
  if (Object.values(others).some((count) => count > 0)) return false;
  if (touched > MAX_LOOKED_AT) return false;
  return diff.changes.every((change) =>
    change.change === "touched" && change.entry.kind === "directory" &&
    changedFields(change.entry, change.before).every((field) =>
      field === "mtime"
    )
  );
}
