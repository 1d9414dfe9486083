import { z } from "zod";
import type { SnapshotRecord } from "../../mod.ts";
import { formatBytes, plural } from "../../shared/text.ts";
import { formatDate, showText } from "../text.ts";

/** The schema of a snapshot in answers. */
export const snapshotOutput: z.ZodObject = z.object({
  id: z.string(),
  time: z.string().describe(
    "The time when the snapshot was taken, in ISO 8601 format and UTC.",
  ),
  label: z.string().optional(),
  isSafety: z.boolean().optional().describe(
    "Whether this is a safety snapshot, which has only the paths that a " +
      "restore, undo or redo was about to change.",
  ),
  files: z.int(),
  bytes: z.int(),
  created: z.int().describe(
    "The number of files and links created since the parent snapshot, except " +
      "renamed and copied files.",
  ),
  updated: z.int(),
  deleted: z.int(),
  renamed: z.int(),
  incomplete: z.int().optional()
    .describe("The number of paths that could not be stored correctly."),
});

/** Returns the fields of a snapshot for answers. */
export function snapshotFields(
  { id, time, label, counts, safety }: SnapshotRecord,
): Record<string, unknown> {
  const { files, bytes, created, updated, deleted, renamed, faults } = counts;
  return {
    id,
    time: new Date(time).toISOString(),
    ...label !== undefined && { label },
    ...safety !== undefined && { isSafety: true },
    files,
    bytes,
    created,
    updated,
    deleted,
    renamed,
    ...faults > 0 && { incomplete: faults },
  };
}

/** Returns a line of text that describes a snapshot. */
export function snapshotLine(
  { id, time, label, counts, safety }: SnapshotRecord,
): string {
  const { files, bytes, created, updated, deleted, renamed } = counts;
  const changes = [
    `+${created}`,
    `~${updated}`,
    `-${deleted}`,
    ...renamed > 0 ? [`>${renamed}`] : [],
  ].join(" ");
  return [
    id,
    formatDate(time),
    `${plural(files, "file")}, ${formatBytes(bytes)}`,
    changes,
    ...safety === undefined ? [] : ["safety snapshot"],
    ...label === undefined ? [] : [showText(label)],
  ].join("  ");
}
