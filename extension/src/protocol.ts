/**
 * The messages between the extension and its worker: requests with an id, their
 * progress, their responses, and cancellations.
 *
 * @module
 */
import type { RetentionPolicy, SnapshotCounts } from "../../mod.ts";

export type { RetentionPolicy };

/** A workspace folder, where its snapshots are kept, and what is left out. */
export interface Place {
  /** The folder, a path of the operating system. */
  directory: string;
  /** The repository: a folder, or `s3://bucket/prefix`. */
  repository: string;
  /** Where this machine remembers what it saw. */
  cache: string;
  /** Patterns in gitignore's syntax that are left out, or kept with `!`. */
  excludes: string[];
  /** Whether `.gitignore` files count. */
  gitignore: boolean;
  /** Keys, region and address of a repository on S3, as its storage asks. */
  env?: Record<string, string>;
}

/** A snapshot as lists show it. */
export interface SnapshotInfo {
  /** Its id; ids sort by time. */
  id: string;
  /** When it was begun, in milliseconds since 1970. */
  time: number;
  /** The folder it is of. */
  directory: string;
  /** The user's name for it. */
  label?: string;
  /** The one before it in the list, with which it is compared. */
  before?: string;
  /**
   * When that one was begun, if others lay between them once: then `counts`
   * tells what it did since the last of those.
   */
  since?: number;
  /** The number of files that differ since then, once counted. */
  changed?: number;
  /** Its numbers. */
  counts: SnapshotCounts;
}

/** Something that was left out, and why. */
export interface LeftOut {
  /** The path below the folder. */
  path: string;
  /** Why, in a word; `excluded` by a rule or `special` is no fault. */
  reason: string;
  /** The rule, or the system's words. */
  detail?: string;
  /** Whether it should have been kept. */
  isFault: boolean;
}

/** A change of a path from one state to another. */
export interface FileChange {
  /** The path below the folder. */
  path: string;
  /** The kind of change. */
  change: "created" | "updated" | "deleted" | "renamed" | "copied" | "touched";
  /** Its length in bytes after, or before if it was deleted. */
  size: number;
  /** The path it was moved or copied from. */
  from?: string;
}

/** A version of a file. */
export interface FileVersion {
  /** The snapshot that first holds it. */
  id: string;
  /** When that was begun, in milliseconds since 1970. */
  time: number;
  /** Its label. */
  label?: string;
  /** Its length in bytes; none if it was gone. */
  size?: number;
}

/** A file that a snapshot held and the next one did not. */
export interface DeletedFile {
  /** The path below the folder. */
  path: string;
  /** The last snapshot that holds it. */
  id: string;
  /** When the first one was begun that does not. */
  time: number;
  /** Its length in bytes. */
  size: number;
}

/** The state of a path in a snapshot. */
export interface VersionStat {
  /** The kind. */
  kind: "file" | "directory" | "symlink";
  /** Its length in bytes. */
  size: number;
  /** When it was changed, in milliseconds since 1970. */
  mtime: number;
}

/** The progress of long work. */
export interface Progress {
  /** Files and folders so far. */
  entries: number;
  /** All there will be, if that is known. */
  allEntries?: number;
  /** The path just done. */
  path: string;
}

/** The result of taking a snapshot. */
export interface SnapshotReport {
  /** The snapshot, or the last one if nothing changed. */
  snapshot: SnapshotInfo;
  /** Whether one was made. */
  isNew: boolean;
  /** The paths that could not be stored, and that no rule names. */
  skipped: LeftOut[];
  /** The time that the worker took, in milliseconds. */
  duration: number;
}

/** The changes that a restore would make, as paths. */
export interface RestorePlan {
  /** Files that are there and become others. */
  overwritten: string[];
  /** Files that are not there. */
  created: string[];
  /** Files that are there and not in the snapshot. */
  deleted: string[];
  /** The number of paths that differ only in mode, time or owner. */
  touched: number;
}

/** The effect of removing old snapshots. */
export interface PrunePlan {
  /** The number of snapshots that are removed. */
  removed: number;
  /** The number of snapshots that stay. */
  kept: number;
  /** The number of bytes that are freed. */
  freed: number;
  /** The number of bytes that are stored. */
  stored: number;
}

/** A request to restore. */
export interface RestoreWish {
  /** The snapshot. */
  id: string;
  /** Files and folders; none means all. */
  paths?: string[];
  /** Whether files that the snapshot does not hold are deleted. */
  deleteOthers: boolean;
}

/** The result of a restore, an undo or a redo. */
export interface RestoreReport {
  /** The number of files and links that were written. */
  written: number;
  /** The number of paths of which only mode and time were set. */
  touched: number;
  /** The number of paths that were deleted, including folders. */
  deleted: number;
  /** The paths that could not be restored, and why. */
  failed: { path: string; message: string }[];
}

/** The methods, with their parameters and results. */
export interface Methods {
  /**
   * Takes a snapshot; measures meanwhile how much there is, if that is shown.
   */
  snapshot: [
    { place: Place; label?: string; measure?: boolean },
    SnapshotReport,
  ];
  /** All snapshots of the folder, the newest first. */
  list: [{ place: Place }, SnapshotInfo[]];
  /** Returns the changes from one snapshot to another, or from nothing. */
  compare: [
    { place: Place; before: string | undefined; after: string },
    FileChange[],
  ];
  /** Returns the paths that a snapshot left out. */
  skipped: [{ place: Place; id: string }, LeftOut[]];
  /** Files that are gone, the last to go first, where each was last. */
  deleted: [{ place: Place }, DeletedFile[]];
  /** The effect of removing old snapshots. */
  planPrune: [{ place: Place; policy: RetentionPolicy }, PrunePlan];
  /** Removes old snapshots; gives the ids of the folder's, the oldest first. */
  prune: [{ place: Place; policy: RetentionPolicy }, { removed: string[] }];
  /** Returns the size of the repository in bytes. */
  usage: [{ place: Place }, { bytes: number }];
  /**
   * Returns the state of a path in a snapshot, or `undefined` if it is absent.
   */
  stat: [{ place: Place; id: string; path: string }, VersionStat | undefined];
  /** The names in a folder of a snapshot. */
  children: [
    { place: Place; id: string; path: string },
    [string, VersionStat["kind"]][],
  ];
  /** A file's content. */
  read: [{ place: Place; id: string; path: string }, Uint8Array];
  /** Returns the changes that a restore would make. */
  plan: [{ place: Place; wish: RestoreWish }, RestorePlan];
  /** Restores in place, after a safety snapshot. */
  restore: [{ place: Place; wish: RestoreWish }, RestoreReport];
  /** Brings back what was there before the last restore. */
  undo: [{ place: Place }, RestoreReport];
  /** Restores again what was undone last. */
  redo: [{ place: Place }, RestoreReport];
  /** The versions of a file, the newest first. */
  history: [{ place: Place; path: string }, FileVersion[]];
}

/** A method's name. */
export type Method = keyof Methods;

/** From the extension to the worker. */
export type ToWorker =
  | { [M in Method]: { id: number; method: M; params: Methods[M][0] } }[Method]
  | { cancel: number };

/** A fault, as it crosses the threads. */
export interface Fault {
  /** The message. */
  message: string;
  /** The kind of fault, as `DeltarError` tells it. */
  code?: string;
  /** The error code of the system, such as `ENOSPC`. */
  system?: string;
}

/** From the worker to the extension. */
export type FromWorker =
  | { id: number; result: unknown }
  | { id: number; fault: Fault }
  | { id: number; progress: Progress };
