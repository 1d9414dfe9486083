import type { Change } from "../../../mod.ts";
import { changedFields, isTouched, pathOf } from "../../../lib/tree/mod.ts";
import type { FileChange } from "../shared/protocol.ts";
import { detailsOf } from "./entry_details.ts";

/**
 * Returns the changes of all paths except folders. A renamed file has one
 * change: the deletion of its old path is left out.
 */
export function fileChanges(changes: readonly Change[]): FileChange[] {
  return withoutOldPaths(changes).flatMap(changeOf);
}

/**
 * Returns changes without the deletions of the old paths of renamed files,
 * because a rename counts as one change.
 */
export function withoutOldPaths(changes: readonly Change[]): Change[] {
  const old = new Set(
    changes.flatMap((change) =>
      change.change === "renamed" ? [change.from] : []
    ),
  );
  return changes.filter((change) =>
    change.change !== "deleted" || !old.has(pathOf(change))
  );
}

/**
 * Returns a list with only this change, or an empty list if the path is a
 * folder. The changes of the files in the folder are listed separately.
 */
function changeOf(change: Change): FileChange[] {
  const entry = change.change === "deleted" ? change.before : change.entry;
  if (entry.kind === "directory") return [];
  return [{
    path: pathOf(change),
    change: isTouched(change) ? "touched" : change.change,
    size: entry.size,
    ...("before" in change && change.change !== "deleted" && {
      oldSize: change.before.size,
    }),
    ...detailsOf(entry),
    // The change of an updated file can also have a `from`: another path that
    // had the same content. But the file was not moved or copied from there.
    ...((change.change === "renamed" || change.change === "copied") && {
      from: change.from,
    }),
    ...fieldsOf(change),
  }];
}

/**
 * Returns the changed fields of an updated or touched path, as `fields`. For
 * other changes, and if only the hard links of the path changed, returns an
 * empty object.
 */
function fieldsOf(change: Change): Pick<FileChange, "fields"> {
  const isOfBoth = change.change === "touched" ||
    change.change === "updated" && change.isLinkOnly !== true;
  return isOfBoth ? { fields: changedFields(change.entry, change.before) } : {};
}
