import { changedFields } from "../../tree/changed_fields.ts";
import type { DiffIndex } from "../../tree/diff_index.ts";
import type { Metadata } from "../../tree/entry.ts";
import { isSameRoot } from "./find_unchanged.ts";

/**
 * The maximum number of changes to examine. In larger differences, it is rare
 * that only the times of folders differ, and the list of all changes takes much
 * memory.
 */
const MAX_LOOKED_AT = 10_000;

/**
 * Returns whether only the times of folders have changed, for example because
 * another program created an excluded file in a folder. Returns `false` if the
 * mode, owner or extended attributes of the directory itself have changed, or
 * if there are more than `MAX_LOOKED_AT` changes.
 *
 * @param diff The changes since the parent.
 * @param rootBefore The state of the directory itself in the parent.
 */
export function hasOnlyFolderTimes(
  diff: DiffIndex,
  rootBefore: Metadata | undefined,
): boolean {
  if (!isSameRoot(diff.root, rootBefore)) return false;
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
