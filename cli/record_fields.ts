import type { SnapshotRecord } from "../mod.ts";

/** What the JSON of commands says of a snapshot. */
export function recordFields(record: SnapshotRecord): Record<string, unknown> {
  const { id, time, duration, directory, label, parent, counts } = record;
  return {
    id,
    time: new Date(time).toISOString(),
    duration,
    directory,
    ...label !== undefined && { label },
    ...parent !== undefined && { parent },
    counts,
  };
}
