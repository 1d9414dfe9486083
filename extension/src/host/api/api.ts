/**
 * The API for other extensions:
 * `extensions.getExtension("deltar.deltar").activate()` gives `DeltarExports`.
 *
 * @module
 */
import type * as vscode from "vscode";

/** A snapshot. */
export interface Snapshot {
  /** Its id, which sorts by time. */
  readonly id: string;
  /** The workspace folder it is of. */
  readonly folder: vscode.Uri;
  /** When it was begun. */
  readonly time: Date;
  /** Its name. */
  readonly label?: string;
}

/** A change of a file. */
export interface Change {
  /** The path below the folder, `/`-separated. */
  readonly path: string;
  /** The kind of change. */
  readonly change: string;
  /** The file as it was, if it was there; to be read by `workspace.fs`. */
  readonly before?: vscode.Uri;
  /** The file as it became, if it is there. */
  readonly after?: vscode.Uri;
}

/** Options for a restore. */
export interface RestoreOptions {
  /** Files and folders below it; all of them if left out. */
  readonly paths?: readonly string[];
  /** Whether files that the snapshot does not hold are deleted. */
  readonly deleteOthers?: boolean;
}

/** The result of a restore. */
export interface RestoreResult {
  /** Whether the user let it happen. */
  readonly done: boolean;
  /** The number of files and links that were written. */
  readonly written: number;
  /** The number of paths that were deleted, including folders. */
  readonly deleted: number;
  /** The paths that could not be restored, and why. */
  readonly failed: readonly { path: string; message: string }[];
}

/** The API for other extensions, version 1. */
export interface DeltarApi {
  /** Its version. */
  readonly version: 1;
  /** Fires after each snapshot that was made, whoever asked for it. */
  readonly onDidSnapshot: vscode.Event<Snapshot>;
  /**
   * Takes a snapshot of a workspace folder, or of all: without a label nothing
   * new is made where nothing changed, and the last snapshot is returned.
   */
  snapshot(
    options?: { folder?: vscode.Uri; label?: string },
  ): Promise<Snapshot[]>;
  /** The snapshots of a workspace folder, or of all, the newest first. */
  list(options?: { folder?: vscode.Uri }): Promise<Snapshot[]>;
  /** Returns the changes between two snapshots of the same folder. */
  diff(before: Snapshot, after: Snapshot): Promise<Change[]>;
  /** Restores a snapshot in config; the user is asked first. */
  restore(snapshot: Snapshot, options?: RestoreOptions): Promise<RestoreResult>;
}

/** The exports of `activate`: access to the API of a version. */
export interface DeltarExports {
  /**
   * The API.
   *
   * @param version The version that the caller was written for: 1.
   * @throws {RangeError} If there is no such version.
   */
  getAPI(version: 1): DeltarApi;
}
