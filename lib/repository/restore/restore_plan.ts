import type { FileStat } from "../../tree/stat.ts";
import type { TreeEntry } from "../layers/tree_layer.ts";

/** A change that a restore makes to one path. */
export interface RestoreStep {
  /** The path below the target. */
  path: string;
  /**
   * The kind of change:
   *
   * - `create`: nothing is there yet;
   * - `replace`: what is there has other content, another target, or is of
   *   another kind;
   * - `touch`: only mode, time, owner, or the spelling of the name is another;
   * - `delete`: the snapshot has nothing there.
   */
  action: "create" | "replace" | "touch" | "delete";
  /** The entry afterwards; absent if the path is deleted. */
  entry?: TreeEntry;
  /** The kind of what is there now; absent if nothing is. */
  was?: FileStat["kind"];
  /**
   * The path as its folder spells it now, if that differs from `path` by more
   * than normalization: `file.TXT` for `File.txt` on a disk where these are one
   * name. It gets the spelling of `path`.
   */
  from?: string;
}

/** Something that a restore leaves as it is, and why. */
export interface RestoreLeft {
  /** The path below the target. */
  path: string;
  /** Why, in words: the rule that the snapshot left it out by, for example. */
  why: string;
}

/** Something that cannot be restored, and why. */
export interface RestoreFailure {
  /** The path below the target. */
  path: string;
  /** Why. */
  error: Error;
  /**
   * Whether it is restored but for a part of its mode, time or owner, which
   * `error` names.
   */
  restored?: true;
}

/** The changes that a restore would make, as data. */
export interface RestorePlan {
  /** The directory's absolute path. */
  target: string;
  /** The changes, in path order. */
  steps: RestoreStep[];
  /** The number of entries that need no change. */
  kept: number;
  /** The paths that the snapshot lacks and `delete` spares. */
  left: RestoreLeft[];
  /**
   * The paths that cannot be restored, as far as is known beforehand: those with
   * something in the way that must not be removed, names that this system cannot have, folders that may
   * not be written.
   */
  failed: RestoreFailure[];
  /** Bytes of the files to write. */
  bytes: number;
  /** Whether the directory itself gets another mode, time or owner. */
  touchesRoot: boolean;
}
