/**
 * What the extension and its worker say to each other: requests with an id,
 * their progress, their answers, and the wish to cancel one.
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
  /** What the user calls it. */
  label?: string;
  /** The one before it in the list, with which it is compared. */
  before?: string;
  /**
   * When that one was begun, if others lay between them once: then `counts`
   * tells what it did since the last of those.
   */
  since?: number;
  /** How many files differ since then, once that was counted. */
  changed?: number;
  /** What it found and did. */
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

/** What happened to a path from one state to another. */
export interface FileChange {
  /** The path below the folder. */
  path: string;
  /** What happened. */
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
  /** What that is called. */
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

/** What a path is in a snapshot. */
export interface VersionStat {
  /** What it is. */
  kind: "file" | "directory" | "symlink";
  /** Its length in bytes. */
  size: number;
  /** When it was changed, in milliseconds since 1970. */
  mtime: number;
}

/** How far long work is. */
export interface Progress {
  /** Files and folders so far. */
  entries: number;
  /** All there will be, if that is known. */
  allEntries?: number;
  /** The path just done. */
  path: string;
}

/** What became of a snapshot. */
export interface SnapshotReport {
  /** The snapshot, or the last one if nothing changed. */
  snapshot: SnapshotInfo;
  /** Whether one was made. */
  isNew: boolean;
  /** What could not be kept, and what no rule names. */
  skipped: LeftOut[];
  /** How long the worker worked, in milliseconds. */
  duration: number;
}

/** What a restore would do, in paths. */
export interface RestorePlan {
  /** Files that are there and become others. */
  overwritten: string[];
  /** Files that are not there. */
  created: string[];
  /** Files that are there and not in the snapshot. */
  deleted: string[];
  /** How many are the same but for mode, time or owner. */
  touched: number;
}

/** What removing old snapshots would do. */
export interface PrunePlan {
  /** How many snapshots go. */
  removed: number;
  /** How many stay. */
  kept: number;
  /** How many bytes become free. */
  freed: number;
  /** How many bytes are stored. */
  stored: number;
}

/** What to restore. */
export interface RestoreWish {
  /** The snapshot. */
  id: string;
  /** Files and folders; none means all. */
  paths?: string[];
  /** Whether files that the snapshot does not hold are deleted. */
  deleteOthers: boolean;
}

/** What a restore, an undo or a redo did. */
export interface RestoreReport {
  /** How many files and links were written. */
  written: number;
  /** How many paths only got their mode and time. */
  touched: number;
  /** How many paths were deleted, folders too. */
  deleted: number;
  /** What could not be restored, and why. */
  failed: { path: string; message: string }[];
}

/** What can be asked for, with its parameters and its result. */
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
  /** What changed from one snapshot to another, or from nothing. */
  compare: [
    { place: Place; before: string | undefined; after: string },
    FileChange[],
  ];
  /** What a snapshot left out. */
  skipped: [{ place: Place; id: string }, LeftOut[]];
  /** Files that are gone, the last to go first, where each was last. */
  deleted: [{ place: Place }, DeletedFile[]];
  /** What removing old snapshots would do. */
  planPrune: [{ place: Place; policy: RetentionPolicy }, PrunePlan];
  /** Removes old snapshots; gives the ids of the folder's, the oldest first. */
  prune: [{ place: Place; policy: RetentionPolicy }, { removed: string[] }];
  /** How much the repository takes, in bytes. */
  usage: [{ place: Place }, { bytes: number }];
  /** What a path is in a snapshot; nothing if it is not there. */
  stat: [{ place: Place; id: string; path: string }, VersionStat | undefined];
  /** The names in a folder of a snapshot. */
  children: [
    { place: Place; id: string; path: string },
    [string, VersionStat["kind"]][],
  ];
  /** A file's content. */
  read: [{ place: Place; id: string; path: string }, Uint8Array];
  /** What a restore would do; nothing is changed. */
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
  /** What is wrong. */
  message: string;
  /** The kind of fault, as `DeltarError` tells it. */
  code?: string;
  /** What the system calls it, such as `ENOSPC`. */
  system?: string;
}

/** From the worker to the extension. */
export type FromWorker =
  | { id: number; result: unknown }
  | { id: number; fault: Fault }
  | { id: number; progress: Progress };
