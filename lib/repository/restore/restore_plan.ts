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
   * - `touch`: only mode, time, owner, or the spelling of the name is another;
   * - `delete`: the snapshot has nothing there.
   */
  action: "create" | "replace" | "touch" | "delete";
  /** What will be there; absent if it is deleted. */
  entry?: TreeEntry;
  /** What is there now; absent if nothing is. */
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
  /**
   * What cannot be restored, as far as that can be told before: what is in the
   * way and must not go, names that this system cannot have, folders that may
   * not be written.
   */
  failed: RestoreFailure[];
  /** Bytes of the files to write. */
  bytes: number;
  /** Whether the directory itself gets another mode, time or owner. */
  touchesRoot: boolean;
}
