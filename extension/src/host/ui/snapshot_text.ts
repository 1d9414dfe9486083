import { plural } from "../../../../shared/text.ts";
import type {
  ChangeSummary,
  FileChange,
  SnapshotInfo,
} from "../../shared/protocol.ts";
import { formatSince } from "./text.ts";

/**
 * The minimum number of changed files for which a description names their
 * common folder instead of the files.
 */
const MIN_FILES_FOR_FOLDER = 4;

/** The words for the kinds of changes that a description names. */
const WORDS: Readonly<Partial<Record<FileChange["change"], string>>> = {
  created: "created",
  deleted: "deleted",
  renamed: "renamed",
  copied: "copied",
};

/**
 * Returns a description of the files that differ between a snapshot and the
 * previous one. With a summary, the description names files or their folder.
 * Otherwise, it contains the number of changed files or, if this number is not
 * known, the time of the previous snapshot. If there is no previous snapshot,
 * the description is the number of all files.
 */
export function changedFiles(
  { counts, time, before, since }: SnapshotInfo,
  summary?: ChangeSummary,
): string {
  if (before === undefined) return plural(counts.files, "file");
  if (summary !== undefined) return summaryText(summary);
  if (since !== undefined) {
    return `changes since ${formatSince(since, time, Date.now())}`;
  }
  const changed = counts.created + counts.updated + counts.deleted +
    counts.renamed + counts.copied;
  return changed === 0
    ? "no files changed"
    : `${plural(changed, "file")} changed`;
}

/**
 * Returns the names of changed files, such as `mod.ts and 2 more`, or the folder
 * that has all of them, such as `src: 12 files`.
 */
export function summaryText({ changed, first, folder }: ChangeSummary): string {
  const [one, two] = first;
  if (one === undefined) return "no files changed";
  const name = nameOf(one.path);
  if (changed === 1) {
    const word = WORDS[one.change];
    return word === undefined ? name : `${name} ${word}`;
  }
  if (changed >= MIN_FILES_FOR_FOLDER && folder !== "") {
    return `${folder}: ${plural(changed, "file")}`;
  }
  if (changed === 2 && two !== undefined) {
    const other = nameOf(two.path);
    if (other !== name) return `${name} and ${other}`;
  }
  return `${name} and ${(changed - 1).toLocaleString("en")} more`;
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/**
 * Returns a list with one line, which shows the number of changes of each kind
 * in a snapshot. The list is empty if there are no changes or no previous
 * snapshot.
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

/**
 * Returns the message that a folder has no snapshots.
 *
 * @param name The name of the folder.
 */
export function noSnapshotsText(name: string): string {
  return `There are no snapshots of ${name} yet.`;
}
