/**
 * The API for other extensions:
 * `await extensions.getExtension("deltar.deltar").activate()` returns
 * `DeltarExports`.
 *
 * @module
 */
import type * as vscode from "vscode";

/** A snapshot of a workspace folder. */
export interface Snapshot {
  /** The id. Ids sort by time. */
  readonly id: string;
  /** The URI of the workspace folder. */
  readonly folder: vscode.Uri;
  /** The time when the snapshot began. */
  readonly time: Date;
  /** The label, if the snapshot has one. */
  readonly label?: string;
}

/** A change to a file or link. */
export interface Change {
  /** The path relative to the folder, with `/` between names. */
  readonly path: string;
  /**
   * The kind of change: `created`, `updated`, `deleted`, `renamed` or `copied`,
   * or `touched` if only the mode, time, owner, extended attributes or hard
   * links differ.
   */
  readonly change: string;
  /**
   * The URI from which `workspace.fs` reads the file as it was before the
   * change. `undefined` if the file was created.
   */
  readonly before?: vscode.Uri;
  /**
   * The URI from which `workspace.fs` reads the file as it was after the
   * change. `undefined` if the file was deleted.
   */
  readonly after?: vscode.Uri;
}

/** Options for a restore. */
export interface RestoreOptions {
  /**
   * The paths of the files and folders to restore, relative to the workspace
   * folder and with `/` between names. Default: all.
   */
  readonly paths?: readonly string[];
  /**
   * Whether files that are not in the snapshot are deleted. Default: `false`.
   */
  readonly deleteOthers?: boolean;
}

/** The result of a restore. */
export interface RestoreResult {
  /**
   * Whether the restore was carried out. If not, the user refused or cancelled
   * the restore, all files already matched the snapshot, or the restore failed
   * and the user was told why.
   */
  readonly done: boolean;
  /** The number of files and links that were written. */
  readonly written: number;
  /** The number of paths that were deleted, including folders. */
  readonly deleted: number;
  /** The paths that could not be restored, with the reasons. */
  readonly failed: readonly { path: string; message: string }[];
}

/** The API for other extensions, version 1. */
export interface DeltarApi {
  /** The version of the API. */
  readonly version: 1;
  /**
   * Fires after each new snapshot that this window takes automatically, at the
   * user's request, or through `snapshot`. Does not fire for a snapshot that is
   * a step of another command, such as a restore or a comparison.
   */
  readonly onDidSnapshot: vscode.Event<Snapshot>;
  /**
   * Takes a snapshot of a workspace folder, or of all folders.
   *
   * @param options `folder` is the URI of the workspace folder (default: all),
   * and `label` the label (default: none).
   * @returns One snapshot for each folder: the new snapshot or, if nothing has
   * changed in the folder and no label is given, the last snapshot.
   *
   * @throws {RangeError} If `folder` is not in this workspace.
   */
  snapshot(
    options?: { folder?: vscode.Uri; label?: string },
  ): Promise<Snapshot[]>;
  /**
   * Returns the snapshots of a workspace folder, or of all folders, the newest
   * first. Safety snapshots are not returned.
   *
   * @param options `folder` is the URI of the workspace folder (default: all).
   *
   * @throws {RangeError} If `folder` is not in this workspace.
   */
  list(options?: { folder?: vscode.Uri }): Promise<Snapshot[]>;
  /**
   * Returns the changes between two snapshots of the same folder.
   *
   * @param before The older snapshot.
   * @param after The newer snapshot.
   * @throws {RangeError} If the snapshots are of different folders, or if their
   * folder is not in this workspace.
   */
  diff(before: Snapshot, after: Snapshot): Promise<Change[]>;
  /**
   * Restores a snapshot into its workspace folder, after the user has confirmed
   * the restore.
   *
   * @param snapshot The snapshot.
   * @param options The paths to restore, and whether to delete other files.
   * @returns The result. If the user refused the restore, `done` is `false`.
   * @throws {RangeError} If the folder is not in this workspace.
   */
  restore(snapshot: Snapshot, options?: RestoreOptions): Promise<RestoreResult>;
}

/** The exports of `activate`. */
export interface DeltarExports {
  /**
   * Returns the API.
   *
   * @param version The API version that the caller was written for: 1.
   * @throws {RangeError} If there is no such version.
   */
  getAPI(version: 1): DeltarApi;
}
