/**
 * What other extensions may use:
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
  /** What it is called. */
  readonly label?: string;
}

/** What happened to a file. */
export interface Change {
  /** The path below the folder, `/`-separated. */
  readonly path: string;
  /** What happened. */
  readonly change: string;
  /** The file as it was, if it was there; to be read by `workspace.fs`. */
  readonly before?: vscode.Uri;
  /** The file as it became, if it is there. */
  readonly after?: vscode.Uri;
}

/** What is restored. */
export interface RestoreOptions {
  /** Files and folders below it; all of them if left out. */
  readonly paths?: readonly string[];
  /** Whether files that the snapshot does not hold are deleted. */
  readonly deleteOthers?: boolean;
}

/** What a restore did. */
export interface RestoreResult {
  /** Whether the user let it happen. */
  readonly done: boolean;
  /** How many files and links were written. */
  readonly written: number;
  /** How many paths were deleted, folders too. */
  readonly deleted: number;
  /** What could not be restored, and why. */
  readonly failed: readonly { path: string; message: string }[];
}

/** What other extensions can do, version 1. */
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
  /** What changed from one snapshot to another of the same folder. */
  diff(before: Snapshot, after: Snapshot): Promise<Change[]>;
  /** Restores a snapshot in place; the user is asked first. */
  restore(snapshot: Snapshot, options?: RestoreOptions): Promise<RestoreResult>;
}

/** What `activate` returns: the way to the API of a version. */
export interface DeltarExports {
  /**
   * The API.
   *
   * @param version The version that the caller was written for: 1.
   * @throws {RangeError} If there is no such version.
   */
  getAPI(version: 1): DeltarApi;
}
