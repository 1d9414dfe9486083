import { DiffIndex } from "../../tree/diff_index.ts";
import type { Metadata } from "../../tree/entry.ts";
import { toMetadata } from "../../tree/index_steps.ts";
import { keptRoot, makesUpModes } from "../../tree/kept_metadata.ts";
import type { Walker } from "../../tree/walker.ts";
import { isSameXattrs } from "../../tree/xattrs.ts";
import type { SnapshotRecord } from "../format/snapshot_record.ts";
import type { StateCache } from "./state_cache.ts";
import type { SnapshotOptions, SnapshotResult } from "./take_snapshot.ts";

/**
 * Checks whether a directory has changed since its last snapshot. Compares the
 * directory with the state that this machine remembers, without reading the
 * tree of the snapshot. Writes nothing.
 *
 * @param last The last snapshot of the directory.
 * @param dir The directory.
 * @param cache The remembered state of the directory in that snapshot.
 * @param options The callbacks and the signal.
 * @returns A result with the last snapshot; `undefined` if the directory has
 * changed or might have changed.
 */
export async function findUnchanged(
  last: SnapshotRecord,
  dir: Walker,
  cache: StateCache,
  options: SnapshotOptions,
): Promise<SnapshotResult | undefined> {
  const { onProgress, onSkip, signal } = options;
  const { bytes } = last.counts;
  const found = toMetadata(dir.stat(), dir.rootXattrs());
  const root = makesUpModes() ? keptRoot(found, last.root) : found;
  if (!isSameRoot(root, last.root)) return undefined;
  const skipped = await cache.skippedIfUnchanged({
    signal,
    onFolder: (path, entries) =>
      onProgress?.({ path, entries, bytes, read: 0 }),
  });
  if (skipped === undefined) return undefined;
  if (onSkip !== undefined) skipped.forEach(onSkip);
  return { record: last, isNew: false, diff: new DiffIndex([], root), skipped };
}

/**
 * Returns whether the mode, owner and extended attributes of the directory
 * itself are unchanged. Its time is ignored, because creating and then deleting
 * a file also changes the time.
 */
export function isSameRoot(
  now: Metadata,
  before: Metadata | undefined,
): boolean {
  return now.mode === before?.mode && now.uid === before.uid &&
    now.gid === before.gid && isSameXattrs(now.xattrs, before.xattrs);
}
