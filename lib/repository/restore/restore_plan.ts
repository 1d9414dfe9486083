import type { FileStat } from "../../tree/stat.ts";
import type { TreeEntry } from "../layers/tree_layer.ts";

/** What a restore does to one path. */
export interface RestoreStep {
  /** The path below the target. */
  path: string;
  /**
   * What is done:
   *
   * - `create`: nothing is there yet;
   * - `replace`: what is there has other content, another target, or is of
   *   another kind;
   * - `touch`: only mode, time or owner are others;
   * - `delete`: the snapshot has nothing there.
   */
  action: "create" | "replace" | "touch" | "delete";
  /** What will be there; absent if it is deleted. */
  entry?: TreeEntry;
  /** What is there now; absent if nothing is. */
  was?: FileStat["kind"];
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
}

/** What a restore would do, as data; nothing is changed by making one. */
export interface RestorePlan {
  /** The directory's absolute path. */
  target: string;
  /** What is done, in path order. */
  steps: RestoreStep[];
  /** How many entries are there already as they should be. */
  kept: number;
  /** What the snapshot lacks and `delete` spares. */
  left: RestoreLeft[];
  /** What is in the way and must not go, so that a path stays as it is. */
  failed: RestoreFailure[];
  /** Bytes of the files to write. */
  bytes: number;
  /** Whether the directory itself gets another mode, time or owner. */
  touchesRoot: boolean;
}
