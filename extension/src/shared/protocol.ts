/**
 * The messages between the extension host and the threads of the child process:
 * requests with an id, their progress, their responses, and cancellations.
 *
 * @module
 */
import type { RetentionPolicy } from "../../../mod.ts";
import type { SnapshotCounts } from "../../../lib/repository/mod.ts";
import type { EntryField } from "../../../lib/tree/mod.ts";

export type { EntryField, RetentionPolicy };

/** The configuration of a workspace folder. */
export interface FolderConfig {
  /** The path of the folder, in the form of the operating system. */
  directory: string;
  /** The repository: a folder, or a URL such as `s3://bucket/prefix`. */
  repository: string;
  /**
   * Whether the repository is in the extension's own storage, because the
   * settings name no location.
   */
  isOwnStorage: boolean;
  /**
   * The folder in which this machine caches the states of backed-up folders.
   */
  cache: string;
  /**
   * The folder with copies of files as they were before the first snapshot. It
   * is in `cache`, which snapshots never include.
   */
  originals: string;
  /**
   * The folders with the files that the extension writes on its own: its
   * storage and its logs. Snapshots and restores never include them.
   */
  ownFolders?: readonly string[];
  /**
   * The patterns of paths to exclude or, with `!`, to keep, in the syntax of
   * `.gitignore`.
   */
  excludes: string[];
  /** Whether the rules of `.gitignore` files apply. */
  gitignore: boolean;
  /** Whether the content of folders with a valid `CACHEDIR.TAG` is excluded. */
  excludeCaches: boolean;
  /** The size in bytes above which files are excluded. Default: no limit. */
  excludeLargerThan?: number;
  /**
   * The environment variables that are set for a repository at a URL: the S3
   * credentials, region and endpoint.
   */
  env?: Record<string, string>;
  /**
   * The former paths of the folder under which its repository has snapshots.
   */
  former?: readonly string[];
  /** Whether a new repository is created with encryption. */
  encrypt: boolean;
  /**
   * The user's key of the repository, if the repository is encrypted. The key
   * is added just before a request is sent, and is neither logged nor stored.
   */
  key?: OwnKey;
  /**
   * The identities of the repository that an earlier request with the same
   * passphrase returned. They make it unnecessary to derive a key from the
   * passphrase again. Like `key`, they are added just before a request is sent.
   */
  identities?: readonly string[];
}

/** A key of the user: an age identity, or a passphrase. */
export type OwnKey = string | { passphrase: string };

/** The snapshots that were taken of a folder before the folder was moved. */
export interface OldHistory {
  /** The former path of the folder. */
  directory: string;
  /** The location of the repository with these snapshots. */
  repository: string;
  /**
   * Whether the folder is known to have been moved from the former path. If
   * `false`, the folder has the same files as the directory at that path had,
   * but might be a copy of a directory on a disk that is not mounted.
   */
  isMoved: boolean;
}

/**
 * The encryption of a repository:
 *
 * - `plain`: it is not encrypted, or does not exist and will not be encrypted;
 * - `unlocked`: it is encrypted, and the user's key opens it;
 * - `locked`: it is encrypted, and the user has no key or a wrong one;
 * - `uncreated`: it does not exist and will be encrypted when it is created.
 */
export type EncryptionState = "plain" | "unlocked" | "locked" | "uncreated";

/** A turn of an AI agent, from the user's prompt to the agent's answer. */
export interface TurnInfo {
  /** The id of the first snapshot of the turn. */
  id: string;
  /** The agent, such as `claude-code`. */
  agent: string;
  /** The agent's id of the session, if the agent gave one. */
  session?: string;
  /** The number of the turn, from 1. */
  number: number;
  /** The first line of the prompt, if it was recorded. */
  prompt?: string;
  /** The time of the first snapshot, in milliseconds since 1970. */
  start: number;
  /** The time of the last snapshot, in milliseconds since 1970. */
  end: number;
  /** The number of files that the turn changed. */
  changed: number;
}

/** A snapshot in a list. */
export interface SnapshotInfo {
  /** The id of the snapshot. Ids sort by time. */
  id: string;
  /** The time when the snapshot began, in milliseconds since 1970. */
  time: number;
  /** The path that the workspace folder had when the snapshot was taken. */
  directory: string;
  /** The label of the snapshot. Absent if it has none. */
  label?: string;
  /**
   * Whether this is a safety snapshot, which has only the paths that a restore,
   * undo or redo was about to change.
   */
  isSafety?: boolean;
  /** The turn of an agent during which the snapshot was taken. */
  turn?: TurnInfo;
  /**
   * The turn of an agent that made the changes in the snapshot. Absent if no
   * turn made the changes, or if several turns could have made them and the
   * snapshot was not taken during one of these turns.
   */
  madeBy?: TurnInfo;
  /**
   * The id of the previous snapshot, which this snapshot is compared with: the
   * parent or, if the parent is not in the list, the next older snapshot.
   * Absent if there is no previous snapshot.
   */
  before?: string;
  /**
   * The time when the snapshot `before` began, in milliseconds since 1970, if
   * that snapshot is not the parent. In that case, `counts` has the changes
   * since the parent, not since `before`.
   */
  since?: number;
  /** The numbers of files, bytes and changes. */
  counts: SnapshotCounts;
}

/**
 * A path that a snapshot did not store or stored only in part, and the reason.
 */
export interface SkippedPath {
  /** The path, relative to the workspace folder. */
  path: string;
  /** The reason in one word, such as `excluded`, `special` or `changed`. */
  reason: string;
  /** The details of the reason, such as the rule or the system's message. */
  detail?: string;
  /**
   * Whether the path is missing or incomplete in the snapshot although it
   * should have been stored completely.
   */
  isFault: boolean;
}

/** Properties of an entry that its name and size do not show. */
export interface EntryDetails {
  /**
   * The name of the kind, such as `named pipe`, if the entry is a named pipe or
   * a device.
   */
  special?: string;
  /**
   * The length of the condensed form of a sparse file, in bytes. Absent for
   * other files.
   */
  sparse?: number;
  /**
   * The names of the extended attributes and ACLs. Absent if the entry has
   * none.
   */
  xattrs?: string[];
}

/** A change to a path, from an old state to a new state. */
export interface FileChange extends EntryDetails {
  /** The path, relative to the workspace folder. */
  path: string;
  /** The kind of change. */
  change: "created" | "updated" | "deleted" | "renamed" | "copied" | "touched";
  /** The new length, or the last length of a deleted file, in bytes. */
  size: number;
  /** The old length in bytes, if the file has an old and a new content. */
  oldSize?: number;
  /** The path that the file was moved or copied from. */
  from?: string;
  /** The fields that changed, if the path has an old and a new state. */
  fields?: EntryField[];
}

/** A summary of the changes between two snapshots. */
export interface ChangeSummary {
  /** The number of files whose content or name differs. */
  changed: number;
  /** Up to two of the changes. Deletions come last. */
  first: Pick<FileChange, "path" | "change">[];
  /**
   * The path of the deepest folder that contains all changed files; empty for
   * the workspace folder.
   */
  folder: string;
}

/** A folder with changed files in it. */
export interface ChangedFolder {
  /** The path of the folder. */
  path: string;
  /**
   * The displayed text. If all changes in a folder are in a single subfolder,
   * one row shows the names of both folders, such as `src/lib`.
   */
  title: string;
  /** Whether all changed files in the folder were deleted. */
  isGone: boolean;
}

/**
 * The changed folders and files directly below a folder. Files whose metadata
 * alone changed are left out if the whole list has other changes. `changed` and
 * `first` describe the whole list.
 */
export interface ChangesBelow extends Pick<ChangeSummary, "changed" | "first"> {
  /** The folders with changes. */
  folders: ChangedFolder[];
  /** The changed files. */
  files: FileChange[];
}

/** A version of a file or folder. */
export interface FileVersion extends EntryDetails {
  /** The id of the first snapshot with this version. */
  id: string;
  /** The time when that snapshot began, in milliseconds since 1970. */
  time: number;
  /** The label of that snapshot. */
  label?: string;
  /**
   * The path in that snapshot. It differs between the versions of a renamed
   * file.
   */
  path: string;
  /** The path that the file was renamed or copied from in that snapshot. */
  from?: string;
  /** The length in bytes; absent if the file was deleted. */
  size?: number;
  /** Whether the path is a folder. */
  isFolder?: boolean;
}

/** A version of a file in which a text was found. */
export interface FoundVersion extends FileVersion {
  /** The number of the first line with the text, counted from 1. */
  line: number;
  /** The text of that line, shortened. */
  excerpt: string;
  /** The number of times the text occurs in the version. */
  matches: number;
}

/** A version of a file in which a range of lines changed. */
export interface LineVersion {
  /** The version of the file. */
  version: FileVersion;
  /**
   * The previous version. Absent if the range was already in the oldest
   * version.
   */
  before?: FileVersion;
  /** The number of the first line of the range in this version, from 1. */
  line: number;
  /** The number of lines of the range in this version. */
  count: number;
  /** The text of the first line of the range that is not blank, shortened. */
  excerpt: string;
}

/** The result of comparing a range of lines across the versions of a file. */
export interface LineHistory {
  /** The versions in which the range changed, the newest first. */
  found: LineVersion[];
  /** The number of versions that were compared. */
  compared: number;
  /** The number of versions that are too large to be compared. */
  tooLarge: number;
  /** The number of versions that cannot be read because of damage. */
  unreadable: number;
}

/** The result of searching the versions of a file for a text. */
export interface HistorySearch {
  /** The versions that contain the text, the newest first. */
  found: FoundVersion[];
  /** The number of versions that were searched. */
  searched: number;
  /** The number of versions that are too large to be searched. */
  tooLarge: number;
  /** The number of versions that cannot be read because of damage. */
  unreadable: number;
}

/**
 * A file that was deleted between two snapshots, and is not in the newest
 * snapshot.
 */
export interface DeletedFile {
  /** The path of the file, relative to the workspace folder. */
  path: string;
  /** The id of the last snapshot with the file. */
  id: string;
  /**
   * The time of the first snapshot without the file, in milliseconds since
   * 1970.
   */
  time: number;
  /** The length in bytes before the deletion. */
  size: number;
}

/** The state of a path in a snapshot. */
export interface VersionStat {
  /** The kind; `special` is a named pipe or a device. */
  kind: "file" | "directory" | "symlink" | "special";
  /** The length of the content in bytes. */
  size: number;
  /** The modification time, in milliseconds since 1970. */
  mtime: number;
}

/** A file or folder in a folder of a snapshot. */
export interface FolderChild extends EntryDetails {
  /** The name of the file or folder, without its path. */
  name: string;
  /** The kind of the entry. */
  kind: VersionStat["kind"];
  /** The length of the content in bytes. */
  size: number;
}

/** A file in a snapshot, or on the disk. */
export interface VersionPath {
  /** The id of the snapshot. Absent for the current file. */
  id?: string;
  /** The path of the file, relative to the workspace folder. */
  path: string;
}

/**
 * A range of bytes in which a version of a file differs from an older version.
 */
export interface ChangedRange {
  /** The offset of the range in the newer version, in bytes. */
  offset: number;
  /** The length of the range in the older version, in bytes. */
  before: number;
  /** The length of the range in the newer version, in bytes. */
  after: number;
}

/** The differences between two versions of a file. */
export interface ChangedRanges {
  /** The size of the older version in bytes. */
  before: number;
  /** The size of the newer version in bytes. */
  after: number;
  /** The number of ranges in which the two versions differ. */
  count: number;
  /** The first 1,000 of these ranges, in the order of their offsets. */
  ranges: ChangedRange[];
}

/** The progress of a request that can take a long time. */
export interface Progress {
  /** The number of files and folders processed so far. */
  entries: number;
  /** The total number of files and folders, if known. */
  allEntries?: number;
  /** The path of the file or folder that was processed last. */
  path: string;
}

/** The result of taking a snapshot. */
export interface SnapshotReport {
  /** The new snapshot, or the last one if no new one was taken. */
  snapshot: SnapshotInfo;
  /** Whether the snapshot is new. */
  isNew: boolean;
  /** The paths that the snapshot did not store or stored only in part. */
  skipped: SkippedPath[];
  /** The duration of the work in milliseconds. */
  duration: number;
}

/** The changes that a restore would make, as paths. */
export interface RestorePreview {
  /** The files that exist and would be replaced. */
  overwritten: string[];
  /** The files that do not exist and would be created. */
  created: string[];
  /** The files that exist, are not in the snapshot, and would be deleted. */
  deleted: string[];
  /**
   * The number of files and links that differ only in mode, time, owner or
   * extended attributes.
   */
  touched: number;
  /** The paths whose restore is already known to fail, with the errors. */
  failed: PathFailure[];
}

/** The changes that an undo or redo would make, as paths. */
export interface RevertPreview extends RestorePreview {
  /**
   * Those of the paths in `overwritten` and `deleted` that cannot be read, or
   * that were edited after the restore or undo that would be reverted.
   */
  edited: string[];
}

/** The changes that undoing a turn of an agent would make, as paths. */
export interface TurnPreview extends RestorePreview {
  /**
   * The paths that something else has changed since the turn. Undoing the turn
   * leaves them as they are, unless `force` is set.
   */
  conflicts: string[];
  /** The number of folders that would be created, changed or deleted. */
  folders: number;
  /** The id of the last snapshot of the turn. */
  last: string;
  /**
   * The paths that the turn created and that the undo does not delete, because
   * a rule excluded them before the turn.
   */
  left: string[];
}

/** A path that could not be restored. */
export interface PathFailure {
  /** The path, relative to the workspace folder. */
  path: string;
  /** The message of the error, without the path. */
  message: string;
  /** The advice, as an imperative phrase, if there is any. */
  advice?: string;
}

/** A preview of removing old snapshots. */
export interface PrunePreview {
  /** The number of snapshots of the folder that would be removed. */
  removed: number;
  /** The number of snapshots of the folder that would be kept. */
  kept: number;
  /**
   * The number of bytes that would be freed when all grace periods are over.
   */
  freed: number;
  /**
   * The current total size of the trees and contents in the repository, in
   * bytes.
   */
  stored: number;
  /**
   * The descriptions of unusual new snapshots. If there are any, a prune fails
   * unless `acceptUnusual` is true.
   */
  unusual: string[];
}

/** A request to restore. */
export interface RestoreRequest {
  /** The id of the snapshot to restore. */
  id: string;
  /** The paths of the files and folders to restore. Default: all. */
  paths?: string[];
  /** Whether files that are not in the snapshot are deleted. */
  deleteOthers: boolean;
}

/** The result of a restore, an undo or a redo. */
export interface RestoreReport {
  /** The number of files and links that were written. */
  written: number;
  /**
   * The number of paths for which only the mode, time, owner or extended
   * attributes were restored.
   */
  touched: number;
  /** The number of paths that were deleted, including folders. */
  deleted: number;
  /** The paths that could not be restored, with the reasons. */
  failed: PathFailure[];
}

/** The parameters and the result of each method. */
export interface Methods {
  /**
   * Takes a snapshot. With `measure`, the progress includes the total number of
   * entries. With `isFirst`, the snapshot stores the copies in `originals` in
   * place of the files that have changed since the copies were made. With
   * `ignoresFolderTimes`, no snapshot is taken if only the times of folders
   * have changed. `continues` is a former path of the folder. If the folder has
   * no snapshot yet, the last snapshot of this path becomes the parent.
   */
  snapshot: [
    {
      config: FolderConfig;
      label?: string;
      measure?: boolean;
      isFirst?: boolean;
      ignoresFolderTimes?: boolean;
      continues?: string;
    },
    SnapshotReport,
  ];
  /**
   * Returns the snapshots of the folder, including its safety snapshots, the
   * newest first.
   */
  list: [{ config: FolderConfig }, SnapshotInfo[]];
  /**
   * Returns the changes between two snapshots. If `before` is `undefined`,
   * returns all files of `after` as created. With `within`, returns only the
   * changes in that folder.
   */
  compare: [
    {
      config: FolderConfig;
      before: string | undefined;
      after: string;
      within?: string;
    },
    FileChange[],
  ];
  /**
   * Returns the changed folders and files directly below the folder `path`.
   * `path` is empty for the workspace folder. The other parameters are those of
   * `compare`.
   */
  changesBelow: [
    {
      config: FolderConfig;
      before: string | undefined;
      after: string;
      within: string;
      path: string;
    },
    ChangesBelow,
  ];
  /**
   * Returns a summary of the changes in the folder `within` between two
   * snapshots, or `undefined` if more than 10,000 paths differ. Reads only the
   * parts of the trees that differ. Files whose content and name did not change
   * do not count.
   */
  summary: [
    {
      config: FolderConfig;
      before: string | undefined;
      after: string;
      within: string;
    },
    ChangeSummary | undefined,
  ];
  /** Returns the paths that a snapshot did not store or stored only in part. */
  skipped: [{ config: FolderConfig; id: string }, SkippedPath[]];
  /**
   * Returns the files that were deleted between snapshots, the most recently
   * deleted first.
   */
  deleted: [{ config: FolderConfig }, DeletedFile[]];
  /** Returns a preview of removing old snapshots. Removes nothing. */
  previewPrune: [
    { config: FolderConfig; policy: RetentionPolicy },
    PrunePreview,
  ];
  /**
   * Removes old snapshots of the repository. Returns the ids of the removed
   * snapshots of the folder, the oldest first. Fails with the code `unsafe` if
   * new snapshots are unusual, unless `acceptUnusual` is true.
   */
  prune: [
    { config: FolderConfig; policy: RetentionPolicy; acceptUnusual?: boolean },
    { removed: string[] },
  ];
  /** Returns the size of the repository in bytes. */
  usage: [{ config: FolderConfig }, { bytes: number }];
  /**
   * Returns the state of a path in a snapshot, or `undefined` if the snapshot
   * does not have the path.
   */
  stat: [
    { config: FolderConfig; id: string; path: string },
    VersionStat | undefined,
  ];
  /** Returns the files and folders in a folder of a snapshot, in path order. */
  children: [
    { config: FolderConfig; id: string; path: string },
    FolderChild[],
  ];
  /**
   * Returns the content of a file, the target of a symlink, or a text that
   * names the kind of a named pipe or a device.
   */
  read: [{ config: FolderConfig; id: string; path: string }, Uint8Array];
  /** Returns the ranges of bytes in which two versions of a file differ. */
  ranges: [
    { config: FolderConfig; before: VersionPath; after: VersionPath },
    ChangedRanges,
  ];
  /**
   * Searches the repositories on this machine for the snapshots of a folder
   * that was moved or renamed. Returns `undefined` if there are none.
   */
  findMoved: [{ config: FolderConfig }, OldHistory | undefined];
  /**
   * Moves the repository of a folder's former path to the place of the folder's
   * own repository. Does nothing, and returns `false` as `isMoved`, if this is
   * not possible, for example because the folder already has a repository.
   */
  continueHistory: [
    { config: FolderConfig; from: FolderConfig },
    { isMoved: boolean },
  ];
  /**
   * Copies the snapshots of a folder from another repository. Returns the
   * number of snapshots that the folder's repository did not have. Fails with
   * the code `unsupported` if the other repository is encrypted, the folder's
   * repository is not, and `mayDecrypt` is not set.
   */
  copyHistory: [
    { config: FolderConfig; from: FolderConfig; mayDecrypt?: boolean },
    { copied: number },
  ];
  /** Returns the changes that a restore would make. */
  previewRestore: [
    { config: FolderConfig; request: RestoreRequest },
    RestorePreview,
  ];
  /**
   * Restores files into the workspace folder, after saving the current files to
   * a safety snapshot.
   */
  restore: [{ config: FolderConfig; request: RestoreRequest }, RestoreReport];
  /**
   * Returns the changes that an undo or redo would make, or `undefined` if
   * there is nothing to undo or redo.
   */
  previewRevert: [
    { config: FolderConfig; direction: "undo" | "redo" },
    RevertPreview | undefined,
  ];
  /** Undoes the last restore into the folder. */
  undo: [{ config: FolderConfig }, RestoreReport];
  /** Undoes the last undo in the folder. */
  redo: [{ config: FolderConfig }, RestoreReport];
  /**
   * If the agent has not finished the turn, takes a snapshot, so that all
   * changes made so far count as changes of the turn. `turn` is the id of the
   * turn's first snapshot. Returns whether the snapshot was taken.
   */
  endTurn: [{ config: FolderConfig; turn: string }, boolean];
  /**
   * Returns the changes that undoing a turn would make. `turn` is the id of the
   * turn's first snapshot.
   */
  previewUndoTurn: [{ config: FolderConfig; turn: string }, TurnPreview];
  /**
   * Undoes the changes of a turn. With `force`, also restores paths that
   * something else has changed since the turn. `last` is the id that the
   * preview returned as `last`. Fails with the code `changed` if the turn now
   * has a snapshot that is newer than `last`.
   */
  undoTurn: [
    { config: FolderConfig; turn: string; last: string; force: boolean },
    RestoreReport,
  ];
  /** Returns the state of the repository's encryption. */
  encryption: [{ config: FolderConfig }, EncryptionState];
  /**
   * Returns the identities of an encrypted repository; an empty list if there
   * is no repository or it is not encrypted.
   */
  identities: [{ config: FolderConfig }, readonly string[]];
  /**
   * Makes an encrypted repository that is not stored yet. Returns the id of the
   * repository and, if the user had no key, the new identity that opens the
   * repository. Until the repository is stored, each call in the same thread
   * returns the same repository.
   */
  draft: [{ config: FolderConfig }, { id: string; identity?: string }];
  /** Stores the repository whose id `draft` returned. */
  create: [{ config: FolderConfig; id: string }, void];
  /**
   * Returns the text of the recovery sheet of an encrypted repository, or of
   * its draft.
   */
  recoverySheet: [{ config: FolderConfig }, string];
  /**
   * Adds a passphrase to the keys of an encrypted repository, or of its draft.
   * Returns the name of the new key.
   */
  addPassphrase: [
    { config: FolderConfig; passphrase: string },
    { name: string },
  ];
  /** Sets the label of a snapshot. Removes the label if `label` is absent. */
  label: [{ config: FolderConfig; id: string; label?: string }, void];
  /** Removes a snapshot. */
  forget: [{ config: FolderConfig; id: string }, void];
  /** Brings a removed snapshot back. */
  undelete: [{ config: FolderConfig; id: string }, void];
  /**
   * Returns the versions of a file or folder, the newest first. If the file or
   * folder was renamed, the versions under its other paths are included.
   */
  history: [{ config: FolderConfig; path: string }, FileVersion[]];
  /** Searches all versions of a file for a text, ignoring case. */
  searchHistory: [
    { config: FolderConfig; path: string; text: string },
    HistorySearch,
  ];
  /**
   * Finds the versions of a file in which the lines of `range` changed. `text`
   * is the current text. `encoding` is the encoding of the file, as VS Code
   * names it. `range` has the number of the first line, counted from 0, and the
   * number of the line after the last one.
   */
  lineHistory: [
    {
      config: FolderConfig;
      path: string;
      text: string;
      encoding: string;
      range: readonly [start: number, end: number];
    },
    LineHistory,
  ];
}

/** The name of a method. */
export type Method = keyof Methods;

/**
 * The name of a thread that calls the library. The reader reads and prunes
 * repositories, even while the writer is busy. The writer does all other work,
 * such as taking snapshots and restoring files.
 */
export type ThreadName = "writer" | "reader";

/** A message from the host to the child process. */
export type ToProcess =
  | { thread: ThreadName; message: ToWorker }
  // Ends an idle thread.
  | { end: ThreadName };

/** A message from the child process to the host. */
export type FromProcess =
  | { thread: ThreadName; message: FromWorker }
  // A thread has ended unexpectedly. `last` is the id of the last request that
  // was passed to it. `reason` is empty, or `: ` followed by the message of the
  // error.
  | { ended: ThreadName; last: number; reason: string };

/** A message from the host to a thread. */
export type ToWorker =
  | { [M in Method]: { id: number; method: M; params: Methods[M][0] } }[Method]
  | { cancel: number }
  // Asks for the next piece of a long result. `next` is the id of the request.
  | { next: number };

/** An error in the form of a message. */
export interface Fault {
  /** The message of the error. */
  message: string;
  /**
   * The code of the error or of the first cause that has a code. Codes of the
   * system do not count.
   */
  code?: string;
  /** The system's code of the error or of a cause, such as `ENOSPC`. */
  system?: string;
  /** Whether the error is about the workspace folder or a path in it. */
  isOfFolder?: boolean;
}

/** A part of a long result. */
export type Piece =
  /**
   * The next elements of a list. `of` is the name of the result's property that
   * has the list, or `undefined` if the result itself is the list.
   */
  | { list: readonly unknown[]; of: string | undefined }
  /**
   * A part of a content, with its offset and the size of the whole content,
   * both in bytes.
   */
  | { bytes: Uint8Array; offset: number; size: number };

/** A message from a thread to the host. */
export type FromWorker =
  | { id: number; piece: Piece }
  // A list that was sent in pieces is empty here. A content that was sent in
  // pieces is `undefined` here.
  | { id: number; result: unknown }
  | { id: number; fault: Fault }
  | { id: number; progress: Progress }
  // The thread has been idle for a while and can be ended.
  | { idle: true };
