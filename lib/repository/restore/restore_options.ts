import type { RestorePlan } from "./restore_plan.ts";

/** Options for an undo or redo. */
export interface RevertOptions extends WorkOptions {
  /**
   * The only files and folders to bring back, with all that is in them; the
   * rest can be brought back later. Default: all.
   */
  paths?: readonly string[];
}

/** Options for carrying out a restore, an undo or a redo. */
export interface WorkOptions {
  /**
   * Given the plan before anything is done; what it throws ends the work, with
   * nothing changed.
   */
  onPlan?: (plan: RestorePlan) => void | Promise<void>;
  /**
   * Whether owners, and the bits that run a program as its owner or group, are
   * restored although the repository belongs to somebody else: to another user
   * of this machine that is not root, or to whoever serves it over HTTP. If not,
   * they are named in `failed`. Default: `false`.
   */
  trust?: boolean;
  /** Called after each step with the progress. */
  onProgress?: (progress: RestoreProgress) => void;
  /**
   * Ends the work with an error of code `aborted`; what was done stays, and
   * the same call finishes it.
   */
  signal?: AbortSignal;
}

/** Options for a restore. */
export interface RestoreOptions extends WorkOptions {
  /**
   * The folder of the snapshot that takes the place of its root: what is in it
   * is restored into the target, and paths are below it. It cannot be combined
   * with `delete`. Default: the root.
   */
  from?: string;
  /** Files and folders to restore, with all that is in them. Default: all. */
  paths?: readonly string[];
  /**
   * Whether to remove what the snapshot lacks, apart from what it did not look
   * at: what its rules leave out, and what it could not read. Default: `false`.
   */
  delete?: boolean;
  /**
   * Whether a directory that is there gets the mode, owner and time of the
   * snapshot's own. One that is made gets them always. Default: `false`.
   */
  rootAttributes?: boolean;
  /**
   * Files and folders of the operating system that are never removed. A
   * repository in a local folder is always spared.
   */
  apart?: readonly string[];
}

/** The progress of a restore. */
export interface RestoreProgress {
  /** Steps so far. */
  entries: number;
  /** All steps there will be. */
  allEntries: number;
  /** Bytes of files so far. */
  bytes: number;
  /** All bytes there will be. */
  allBytes: number;
  /** The path just done. */
  path: string;
}
