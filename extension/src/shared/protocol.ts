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
  /** The absolute path of the folder, in the form of the operating system. */
  directory: string;
  /**
   * The location of the repository: the path of a folder, or a URL such as
   * `s3://bucket/prefix`.
   */
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
   * The folders of the extension's own files: its storage and its logs.
   * Snapshots and restores never include these folders.
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
   * The S3 credentials, region and endpoint of a repository at a URL, by the
   * names of the environment variables for them, such as `AWS_REGION`.
   */
  env?: Record<string, string>;
  /**
   * The former paths of the folder at which snapshots in the repository were
   * taken. Default: none.
   */
  former?: readonly string[];
  /** Whether a new repository is created with encryption. */
  encrypt: boolean;
  /**
   * The user's key of the repository, if the repository is encrypted. The key
   * is added just before a request is sent, and is never logged.
   */
  key?: OwnKey;
  /**
   * The identities of the repository, if an earlier request with the same
   * passphrase returned them. With the identities, the key does not have to be
   * derived from the passphrase again. Like `key`, the identities are added
   * just before a request is sent.
   */
  identities?: readonly string[];
}

/** A key of the user: an age identity, or a passphrase. */
export type OwnKey = string | { passphrase: string };

/** The former path of a folder, and the repository with the old snapshots. */
export interface OldHistory {
  /** The former path of the folder. */
  directory: string;
  /** The location of the repository with the snapshots of the former path. */
  repository: string;
  /**
   * Whether the folder is known to have been moved from the former path. If
   * `false`, the folder has many of the files that the last snapshot of the
   * former path has, but might be a copy: the original might be on a disk that
   * is not mounted.
   */
  isMoved: boolean;
}

/**
 * The state of a repository's encryption:
 *
 * - `plain`: the repository is not encrypted, or does not exist and will not be
 *   encrypted;
 * - `unlocked`: the repository is encrypted, and the user's key opens it;
 * - `locked`: the repository is encrypted, and the user's key is missing or
 *   wrong;
 * - `uncreated`: the repository does not exist, and will be created with
 *   encryption.
 */
export type EncryptionState = "plain" | "unlocked" | "locked" | "uncreated";

/** A turn of an AI agent, from the user's prompt to the agent's answer. */
export interface TurnInfo {
  /** The id of the first snapshot of the turn. */
  id: string;
  /** The name of the agent, such as `claude-code`. */
  agent: string;
  /** The id that the agent gave to the session, if it gave one. */
  session?: string;
  /** The number of the turn, counted from 1. */
  number: number;
  /** The first line of the prompt, if the prompt was recorded. */
  prompt?: string;
  /** The time of the first snapshot, in milliseconds since 1970. */
  start: number;
  /** The time of the last snapshot, in milliseconds since 1970. */
  end: number;
  /**
   * The number of changes that the turn made, not counting changes that affect
   * only metadata. A file that changed in several snapshots is counted several
   * times.
   */
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
  /** The turn of an agent during which the snapshot was taken, if any. */
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
   * Absent for a safety snapshot, and if there is no previous snapshot.
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

/** A change to a file or link between two snapshots. */
export interface FileChange extends EntryDetails {
  /** The path, relative to the workspace folder. */
  path: string;
  /** The kind of change. */
  change: "created" | "updated" | "deleted" | "renamed" | "copied" | "touched";
  /** The new length, or the last length of a deleted file, in bytes. */
  size: number;
  /** The old length in bytes, if the path has an old and a new state. */
  oldSize?: number;
  /**
   * The old path of a renamed file, or the path that a file was copied from.
   */
  from?: string;
  /** The fields that changed, if the path has an old and a new state. */
  fields?: EntryField[];
}

/** A summary of the changes between two snapshots. */
export interface ChangeSummary {
  /**
   * The number of files and links that were created, updated, deleted, renamed
   * or copied.
   */
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
  /** The path of the folder, relative to the workspace folder. */
  path: string;
  /**
   * The name of the folder, as a row shows it. If all changes in a folder are
   * in a single subfolder, one row stands for both folders and shows both
   * names, such as `src/lib`.
   */
  title: string;
  /** Whether all changed files in the folder were deleted. */
  isGone: boolean;
}

/**
 * The changed folders and files directly below a folder, from the list of all
 * changes between two snapshots. Files with changed metadata but unchanged
 * content are left out if the list has other changes. `changed` and `first`
 * describe the whole list.
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
  /** The time when the snapshot `id` began, in milliseconds since 1970. */
  time: number;
  /** The label of the snapshot `id`. Absent if the snapshot has none. */
  label?: string;
  /**
   * The path in the snapshot `id`. The versions before and after a rename have
   * different paths.
   */
  path: string;
  /**
   * The old path of the file or folder, if it was renamed, or the path that the
   * file was copied from.
   */
  from?: string;
  /**
   * The length of the content in bytes; 0 for a folder or link. Absent if the
   * path was deleted.
   */
  size?: number;
  /** Whether this is a version of a folder. */
  isFolder?: boolean;
}

/** A version of a file in which a text was found. */
export interface FoundVersion extends FileVersion {
  /** The number of the first line with the text, counted from 1. */
  line: number;
  /** The text of the line, shortened if it is long. */
  excerpt: string;
  /** The number of times the text occurs in the version. */
  matches: number;
}

/** A version of a file in which a range of lines changed. */
export interface LineVersion {
  /** The version of the file. */
  version: FileVersion;
  /** The next older version that was compared. Absent if there is none. */
  before?: FileVersion;
  /** The number of the first line of the range in `version`, counted from 1. */
  line: number;
  /** The number of lines of the range in `version`. */
  count: number;
  /**
   * The text of the first line in the range that is not blank, shortened if it
   * is long. Empty if all lines are blank.
   */
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
  /**
   * The length of the content in bytes. For a symlink, a named pipe or a
   * device, the length of the text that `read` returns. 0 for a folder or hard
   * link.
   */
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
  /**
   * The length of the content in bytes. 0 for a hard link, and for everything
   * other than a file.
   */
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
  /** The ranges, at most the first 1,000, in the order of their offsets. */
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
  /** The time that the snapshot took, in milliseconds. */
  duration: number;
}

/** The changes that a restore would make. */
export interface RestorePreview {
  /** The existing paths that would be replaced by a file or link. */
  overwritten: string[];
  /** The paths of the files and links that would be created. */
  created: string[];
  /** The paths of the files and links that would be deleted. */
  deleted: string[];
  /**
   * The number of files and links of which only the mode, time, owner, extended
   * attributes or spelling of the name would be restored.
   */
  touched: number;
  /**
   * The paths that are already known to fail, at least in part, and the
   * reasons.
   */
  failed: PathFailure[];
}

/** The changes that an undo or redo would make. */
export interface RevertPreview extends RestorePreview {
  /**
   * The paths in `overwritten` and `deleted` that were edited after the
   * operation that would be reverted. A path that cannot be read counts as
   * edited.
   */
  edited: string[];
}

/** The changes that undoing a turn of an agent would make. */
export interface TurnPreview extends RestorePreview {
  /**
   * The paths that the turn changed and that something else has changed, too.
   * Undoing the turn leaves these paths as they are, unless `force` is `true`.
   */
  conflicts: string[];
  /** The number of folders that would be created, changed or deleted. */
  folders: number;
  /** The id of the last snapshot of the turn. */
  last: string;
  /**
   * The paths that undoing the turn does not delete, because the snapshot
   * before the turn excluded or skipped them.
   */
  left: string[];
}

/** A path that cannot be restored completely, and the reason. */
export interface PathFailure {
  /**
   * The path, relative to the workspace folder; `.` for the workspace folder
   * itself.
   */
  path: string;
  /** The message of the error, without the path. */
  message: string;
  /**
   * Advice for the user in the imperative, such as `Free some space on the
   * disk`. Absent if there is none.
   */
  advice?: string;
}

/** The effects that a prune would have. */
export interface PrunePreview {
  /** The number of snapshots of the folder that would be removed. */
  removed: number;
  /** The number of snapshots of the folder that would be kept. */
  kept: number;
  /**
   * The number of bytes that this prune and later ones would free by the end of
   * all grace periods.
   */
  freed: number;
  /**
   * The current total size of the trees and contents in the repository, in
   * bytes.
   */
  stored: number;
  /**
   * Descriptions of what is unusual about the new snapshots. If there are any,
   * a prune fails unless `acceptUnusual` is `true`.
   */
  unusual: string[];
}

/** A request to restore. */
export interface RestoreRequest {
  /** The id of the snapshot to restore. */
  id: string;
  /** The paths of the files and folders to restore. Default: all. */
  paths?: string[];
  /**
   * Whether to delete paths that are not in the snapshot, except excluded ones.
   */
  deleteOthers: boolean;
}

/** The result of a restore, an undo or a redo. */
export interface RestoreReport {
  /** The number of files and links that were written. */
  written: number;
  /**
   * The number of paths of which only the mode, time, owner, extended
   * attributes or spelling of the name were restored.
   */
  touched: number;
  /** The number of paths that were deleted, including folders. */
  deleted: number;
  /** The paths that were not restored completely, and the reasons. */
  failed: PathFailure[];
}

/** The parameters and the result of each method. */
export interface Methods {
  /**
   * Takes a snapshot. With `measure`, the progress includes the total number of
   * entries. With `isFirst`, the snapshot stores the copies in `originals` in
   * place of the files that have changed since the copies were made. With
   * `ignoresFolderTimes`, no snapshot is taken if only the times of folders
   * have changed. `continues` is a former path of the folder. The last snapshot
   * of that path becomes the parent, unless the folder has a newer snapshot.
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
   * Returns the changes between the snapshots with the ids `before` and
   * `after`. If `before` is `undefined`, returns all files of `after` as
   * created. With `within`, returns only the changes in the folder at that
   * path.
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
   * snapshots, or `undefined` if more than 10,000 paths differ. `within` is
   * empty for the workspace folder. `before` and `after` are those of
   * `compare`.
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
   * Returns the files that were deleted between two snapshots and are not in
   * the newest snapshot, the most recently deleted first.
   */
  deleted: [{ config: FolderConfig }, DeletedFile[]];
  /** Returns the effects that `prune` would have. Removes nothing. */
  previewPrune: [
    { config: FolderConfig; policy: RetentionPolicy },
    PrunePreview,
  ];
  /**
   * Removes snapshots from the repository by the rules of `policy`. Returns the
   * ids of the removed snapshots of the folder, the oldest first. Fails with
   * the code `unsafe` if new snapshots are unusual, unless `acceptUnusual` is
   * `true`.
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
  /**
   * Returns the files and folders directly in the folder `path` of a snapshot,
   * in path order.
   */
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
   * Searches the repositories on this machine for snapshots that were taken
   * before the folder was moved or renamed. Returns `undefined` if no
   * repository has such snapshots.
   */
  findMoved: [{ config: FolderConfig }, OldHistory | undefined];
  /**
   * Moves the repository of `from`, the configuration of the folder's former
   * path, to the location of the folder's own repository. Moves nothing, and
   * returns `false` as `isMoved`, if the folder already has a repository or the
   * two locations are not in the same folder.
   */
  continueHistory: [
    { config: FolderConfig; from: FolderConfig },
    { isMoved: boolean },
  ];
  /**
   * Copies the snapshots of a folder from the repository of `from`. Returns the
   * number of snapshots that the folder's repository did not have. Fails with
   * the code `unsupported` if only the repository of `from` is encrypted,
   * unless `mayDecrypt` is `true`.
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
   * Restores files into the workspace folder. First takes a safety snapshot of
   * the paths that the restore changes.
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
  /** Undoes the last restore into the folder, or the last redo. */
  undo: [{ config: FolderConfig }, RestoreReport];
  /** Undoes the last undo in the folder. */
  redo: [{ config: FolderConfig }, RestoreReport];
  /**
   * If the agent has not finished the turn, takes a snapshot, so that all
   * changes made so far count as changes of the turn. `turn` is the id of the
   * turn's first snapshot. Returns whether the turn was still unfinished.
   */
  endTurn: [{ config: FolderConfig; turn: string }, boolean];
  /**
   * Returns the changes that undoing a turn would make. `turn` is the id of the
   * turn's first snapshot.
   */
  previewUndoTurn: [{ config: FolderConfig; turn: string }, TurnPreview];
  /**
   * Undoes the changes of a turn. `turn` is the id of the turn's first
   * snapshot, and `last` is the `last` of the preview. With `force`, also
   * restores the paths in the preview's `conflicts`. Fails with the code
   * `changed` if the turn now has a snapshot that is newer than `last`.
   */
  undoTurn: [
    { config: FolderConfig; turn: string; last: string; force: boolean },
    RestoreReport,
  ];
  /** Returns the state of the repository's encryption. */
  encryption: [{ config: FolderConfig }, EncryptionState];
  /**
   * Returns the identities of an encrypted repository, or an empty list if the
   * repository does not exist or is not encrypted.
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
  /** Searches the versions of a file for a text, ignoring case. */
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

/** A message from the extension host to the child process. */
export type ToProcess =
  | { thread: ThreadName; message: ToWorker }
  // Ends an idle thread.
  | { end: ThreadName };

/** A message from the child process to the extension host. */
export type FromProcess =
  | { thread: ThreadName; message: FromWorker }
  // A thread has ended unexpectedly. `last` is the id of the last request that
  // was passed to it. `reason` is empty, or `: ` followed by the message of the
  // error.
  | { ended: ThreadName; last: number; reason: string };

/** A message from the extension host to a thread. */
export type ToWorker =
  | { [M in Method]: { id: number; method: M; params: Methods[M][0] } }[Method]
  | { cancel: number }
  // Asks for the next piece of a long result. `next` is the id of the request
  // that has this result.
  | { next: number };

/** An error, in the form in which a thread reports it to the extension host. */
export interface Fault {
  /** The message of the error. */
  message: string;
  /**
   * The first code, other than a code of the operating system, in the chain of
   * the error and its causes.
   */
  code?: string;
  /**
   * The first code of the operating system, such as `ENOSPC`, in the chain of
   * the error and its causes.
   */
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

/** A message from a thread to the extension host. */
export type FromWorker =
  | { id: number; piece: Piece }
  // In `result`, a list that was sent in pieces is empty. If a content was sent
  // in pieces, `result` is `undefined`.
  | { id: number; result: unknown }
  | { id: number; fault: Fault }
  | { id: number; progress: Progress }
  // The thread has been idle for a while and can be ended.
  | { idle: true };
