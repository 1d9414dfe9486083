import type { SnapshotRecord } from "../format/snapshot_record.ts";
import type { RevertOptions } from "./restore_options.ts";
import type {
  RestoreFailure,
  RestoreLeft,
  RestorePlan,
  RestoreStep,
} from "./restore_plan.ts";

/** The result of a restore. */
export interface RestoreResult {
  /** Files that were written, hard links counted once. */
  files: number;
  /** Directories that were made. */
  directories: number;
  /** Symlinks and further names of hard links that were made. */
  links: number;
  /** Bytes of files that were written. */
  bytes: number;
  /** Entries of which only mode, time or owner were set. */
  touched: number;
  /** The number of removed paths. */
  deleted: number;
  /** Entries that were there already as they should be. */
  kept: number;
  /** The paths that the snapshot lacks and that were kept. */
  left: RestoreLeft[];
  /**
   * The paths that failed, and why. What was at these paths stays, unless
   * `restored` says that only a part of the mode, time or owner is missing.
   */
  failed: RestoreFailure[];
  /**
   * The snapshot of what was there before, by which this is undone; none if
   * the target was new or empty, which a note tells `undoRestore`, or nothing
   * was to be done.
   */
  safety?: SnapshotRecord;
}

/** The result of a restore that has done nothing yet. */
export function resultOf({ kept, left, failed }: RestorePlan): RestoreResult {
  return {
    files: 0,
    directories: 0,
    links: 0,
    bytes: 0,
    touched: 0,
    deleted: 0,
    kept,
    left,
    failed: [...failed],
  };
}

/** Counts what is done, and tells how far it is. */
export function progressOf(
  plan: RestorePlan,
  result: RestoreResult,
  options: RevertOptions,
): (step: RestoreStep, error?: Error) => void {
  let done = 0;
  return (step, error) => {
    if (error === undefined) tally(result, step);
    options.onProgress?.({
      entries: ++done,
      allEntries: plan.steps.length,
      bytes: result.bytes,
      allBytes: plan.bytes,
      path: step.path,
    });
  };
}

function tally(result: RestoreResult, { action, entry }: RestoreStep): void {
  if (action === "delete") result.deleted++;
  else if (action === "touch") result.touched++;
  else {
    if (entry!.kind === "file") result.files++;
    else if (entry!.kind === "directory") result.directories++;
    else result.links++;
    result.bytes += entry!.size;
  }
}
