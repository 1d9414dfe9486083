/**
 * The messages between the extension host and its worker: requests with an id,
 * their progress, their responses, and cancellations.
 *
 * @module
 */
import type { RetentionPolicy } from "../../../mod.ts";
import type { SnapshotCounts } from "../../../lib/repository/mod.ts";

export type { RetentionPolicy };

/** The configuration of a workspace folder. */
export interface FolderConfig {
  /** The folder, a path of the operating system. */
  directory: string;
  /** The repository: a folder, or `s3://bucket/prefix`. */
  repository: string;
  /** The folder of what this machine remembers of directories. */
  cache: string;
  /** Patterns in gitignore's syntax to exclude, or to keep with `!`. */
  excludes: string[];
  /** Whether `.gitignore` files count. */
  gitignore: boolean;
  /** S3Credentials, region and address of a repository on S3, as its storage asks. */
  env?: Record<string, string>;
}

/** A snapshot as lists show it. */
export interface SnapshotInfo {
  /** Its id; ids sort by time. */
  id: string;
  /** The time at which it began, in milliseconds since 1970. */
  time: number;
  /** The folder. */
  directory: string;
  /** The user's name for it. */
  label?: string;
  /** The id of the snapshot before it in the list, which it is compared with. */
  before?: string;
  /**
   * The time at which that one began, if snapshots between them were removed:
   * `counts` then has the changes since the last of those.
   */
  since?: number;
  /** The number of files that differ from `before`, once counted. */
  changed?: number;
  /** The numbers of files, bytes and changes. */
  counts: SnapshotCounts;
}

/** A path that a snapshot does not hold, and the reason. */
export interface SkippedPath {
  /** The path below the folder. */
  path: string;
  /** The reason, in a word: `excluded` or `special`, or a fault. */
  reason: string;
  /** The rule, or the system's message. */
  detail?: string;
  /** Whether it could not be stored although it should have been. */
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
  /** The first snapshot that holds it. */
  id: string;
  /** The time at which that began, in milliseconds since 1970. */
  time: number;
  /** The label of that snapshot. */
  label?: string;
  /** The length in bytes; absent if the file was deleted. */
  size?: number;
}

/** A file that a snapshot held and the next one did not. */
export interface DeletedFile {
  /** The path below the folder. */
  path: string;
  /** The last snapshot that holds it. */
  id: string;
  /** The time of the first snapshot without it, in milliseconds since 1970. */
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
  /** The modification time, in milliseconds since 1970. */
  mtime: number;
}

/** The progress of long work. */
export interface Progress {
  /** The number of files and folders done so far. */
  entries: number;
  /** The number of all, if that is known. */
  allEntries?: number;
  /** The path done last. */
  path: string;
}

/** The result of taking a snapshot. */
export interface SnapshotReport {
  /** The snapshot, or the last one if nothing changed. */
  snapshot: SnapshotInfo;
  /** Whether a new one was taken. */
  isNew: boolean;
  /** The paths that it does not hold. */
  skipped: SkippedPath[];
  /** The time that the worker took, in milliseconds. */
  duration: number;
}

/** The changes that a restore would make, as paths. */
export interface RestorePreview {
  /** Files that exist and are replaced. */
  overwritten: string[];
  /** Files that do not exist. */
  created: string[];
  /** Files that exist and are not in the snapshot. */
  deleted: string[];
  /** The number of paths that differ only in mode, time or owner. */
  touched: number;
}

/** The effect of removing old snapshots. */
export interface PrunePreview {
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
export interface RestoreRequest {
  /** The snapshot. */
  id: string;
  /** The files and folders to restore; all of them by default. */
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
  /** The paths that could not be restored, with the reasons. */
  failed: { path: string; message: string }[];
}

/** The methods, with their parameters and results. */
export interface Methods {
  /** Takes a snapshot; with `measure`, progress has the number of all entries. */
  snapshot: [
    { config: FolderConfig; label?: string; measure?: boolean },
    SnapshotReport,
  ];
  /** Returns all snapshots of the folder, the newest first. */
  list: [{ config: FolderConfig }, SnapshotInfo[]];
  /** Returns the changes from one snapshot, or an empty tree, to another. */
  compare: [
    { config: FolderConfig; before: string | undefined; after: string },
    FileChange[],
  ];
  /** Returns the paths that a snapshot does not hold. */
  skipped: [{ config: FolderConfig; id: string }, SkippedPath[]];
  /** Returns deleted files with their last snapshots, the last deleted first. */
  deleted: [{ config: FolderConfig }, DeletedFile[]];
  /** Returns the effect of removing old snapshots. */
  previewPrune: [
    { config: FolderConfig; policy: RetentionPolicy },
    PrunePreview,
  ];
  /** Removes old snapshots; returns the folder's ids, the oldest first. */
  prune: [
    { config: FolderConfig; policy: RetentionPolicy },
    { removed: string[] },
  ];
  /** Returns the size of the repository in bytes. */
  usage: [{ config: FolderConfig }, { bytes: number }];
  /**
   * Returns the state of a path in a snapshot, or `undefined` if it is absent.
   */
  stat: [
    { config: FolderConfig; id: string; path: string },
    VersionStat | undefined,
  ];
  /** Returns the names in a folder of a snapshot. */
  children: [
    { config: FolderConfig; id: string; path: string },
    [string, VersionStat["kind"]][],
  ];
  /** Returns the content of a file. */
  read: [{ config: FolderConfig; id: string; path: string }, Uint8Array];
  /** Returns the changes that a restore would make. */
  previewRestore: [
    { config: FolderConfig; request: RestoreRequest },
    RestorePreview,
  ];
  /** Restores in config, after a safety snapshot. */
  restore: [{ config: FolderConfig; request: RestoreRequest }, RestoreReport];
  /** Undoes the last restore. */
  undo: [{ config: FolderConfig }, RestoreReport];
  /** Restores again what was undone last. */
  redo: [{ config: FolderConfig }, RestoreReport];
  /** Returns the versions of a file, the newest first. */
  history: [{ config: FolderConfig; path: string }, FileVersion[]];
}

/** A method's name. */
export type Method = keyof Methods;

/** A message from the host to the worker. */
export type ToWorker =
  | { [M in Method]: { id: number; method: M; params: Methods[M][0] } }[Method]
  | { cancel: number };

/** An error, as a message. */
export interface Fault {
  /** The message. */
  message: string;
  /** The code of a `DeltarError`. */
  code?: string;
  /** The error code of the system, such as `ENOSPC`. */
  system?: string;
}

/** A message from the worker to the host. */
export type FromWorker =
  | { id: number; result: unknown }
  | { id: number; fault: Fault }
  | { id: number; progress: Progress };
