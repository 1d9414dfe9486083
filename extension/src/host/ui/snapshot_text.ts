import { plural } from "../../../../shared/text.ts";
import type { SnapshotInfo } from "../../shared/protocol.ts";
import { formatSince } from "./text.ts";

/**
 * Returns the number of files that differ between a snapshot and the previous
 * one, in words. If there is no previous snapshot, returns the number of files.
 * If the differences are not counted yet, returns a text with the time of the
 * previous snapshot.
 */
export function changedFiles(
  { counts, time, before, since, changed: counted }: SnapshotInfo,
): string {
  if (before === undefined) return plural(counts.files, "file");
  if (since !== undefined && counted === undefined) {
    return `changes since ${formatSince(since, time, Date.now())}`;
  }
  const changed = counted ?? counts.created + counts.updated + counts.deleted +
      counts.renamed + counts.copied;
  return changed === 0
    ? "no files changed"
    : `${plural(changed, "file")} changed`;
}

/**
 * Returns a list of one line with the numbers of changes of a snapshot, by
 * kind. The list is empty if there are no changes or no previous snapshot.
 */
export function changesByKind({ before, counts }: SnapshotInfo): string[] {
  if (before === undefined) return [];
  const words = [
    [counts.created, "created"],
    [counts.updated, "modified"],
    [counts.deleted, "deleted"],
    [counts.renamed, "renamed"],
    [counts.copied, "copied"],
  ] as const;
  const line = words.filter(([count]) => count > 0)
    .map(([count, word]) => `${count.toLocaleString("en")} ${word}`).join(", ");
  return line === "" ? [] : [line];
}
