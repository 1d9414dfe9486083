import { DeltarError } from "../../bytes/errors.ts";
import {
  deviceOf,
  isSameNumber,
  isSameTime,
} from "../../tree/change_finder.ts";
import { changedFields } from "../../tree/changed_fields.ts";
import { isSpecial } from "../../tree/entry.ts";
import { isSameFile } from "../../tree/folder.ts";
import { comparePaths, isWithin, parentPath } from "../../tree/path.ts";
import type { FileStat } from "../../tree/stat.ts";
import type { TargetDirectory } from "../../tree/target_directory.ts";
import type { Tree } from "../layers/tree.ts";
import type { TreeEntry } from "../layers/tree_layer.ts";
import {
  type RestoreFailure,
  type RestoreLeft,
  withoutAbsentLink,
} from "./plan.ts";
import type { UndoChangesOptions } from "./session.ts";

/** The states of a path before and after changes. */
interface PathStates {
  before: TreeEntry | undefined;
  after: TreeEntry | undefined;
  /**
   * Whether the path changed in several spans, and also between two of these
   * spans.
   */
  isMixed?: true;
  /** Whether the snapshot before the changes excluded or skipped the path. */
  isExcluded?: true;
}

/** The part of a directory's earlier state that an undo of changes restores. */
export interface UndoneChanges {
  /** The entries to restore, in path order. */
  entries: TreeEntry[];
  /**
   * The paths of existing folders that are in `entries` only because other
   * entries are in them. The mode, time or owner of these folders has changed,
   * and is not restored.
   */
  above: Set<string>;
  /** The paths to delete, in path order. */
  gone: Set<string>;
  /**
   * The paths that are not restored because they, or folders above them,
   * changed again after the changes that would be undone, and the errors.
   */
  conflicts: RestoreFailure[];
  /**
   * The paths that are not deleted because the snapshot before the changes
   * excluded or skipped them.
   */
  left: RestoreLeft[];
}

/**
 * Collects the changes of several spans, and returns the part of the earlier
 * state that an undo restores.
 */
export class ChangesToUndo {
  readonly #paths = new Map<string, PathStates>();
  #first: Tree | undefined;

  /**
   * Adds the changes of a span. Spans must be added in chronological order.
   * Yields before each path.
   */
  *add(before: Tree, after: Tree): Generator<void, void> {
    this.#first ??= before;
    const excluded = new Set(before.skipped.map(({ path }) => path));
    for (const [path, old, now] of pairs(before.entries, after.entries)) {
      yield;
      if (old && now && isSameEntry(now, old)) continue;
      const known = this.#paths.get(path);
      if (known === undefined) {
        this.#paths.set(path, {
          before: old,
          after: now,
          ...old === undefined && isIn(path, excluded) && { isExcluded: true },
        });
        continue;
      }
      if (!isSameState(known.after, old)) known.isMixed = true;
      known.after = now;
    }
  }

  /**
   * Compares the changed paths with the directory, and returns what to restore
   * and delete. Yields before each path, and after each part of a large file.
   *
   * @param options With `force`, paths that changed again are also restored.
   * `paths` are the files and folders to which the undo is limited.
   */
  *against(
    onDisk: TargetDirectory,
    { force = false, paths: limits }: Pick<
      UndoChangesOptions,
      "force" | "paths"
    >,
  ): Generator<void, UndoneChanges> {
    const result: UndoneChanges = {
      entries: [],
      above: new Set(),
      gone: new Set(),
      conflicts: [],
      left: [],
    };
    this.#addLinked();
    const within = limits && new Set(limits);
    const chosen = new Map<string, TreeEntry>();
    const instead = new Map<string, string>();
    /**
     * The last folder that is not restored because its path has changed again.
     */
    let blocked: string | undefined;
    const paths = [...this.#paths].sort(([a], [b]) => comparePaths(a, b));
    for (const [path, states] of paths) {
      yield;
      const { before } = states;
      const stat = onDisk.at(path);
      // A path in `within` can be inside a folder that was deleted or replaced,
      // for example by a file. In that case, the folder is restored, too.
      const isMeant = within === undefined || isIn(path, within) ||
        before?.kind === "directory" && stat?.kind !== "directory" &&
          [...within].some((limit) => isWithin(limit, path));
      if (!isMeant) continue;
      const isBlocked = blocked !== undefined && isWithin(path, blocked);
      const isFree = !isBlocked &&
        (force || (yield* isUntouched(states, stat, onDisk)));
      if (!isFree) {
        result.conflicts.push({ path, error: changedSince(path) });
        if (before?.kind === "directory" && stat?.kind !== "directory") {
          if (!isBlocked) blocked = path;
        }
      } else if (before === undefined) {
        if (states.isExcluded) {
          const why = "excluded or skipped by the snapshot before the changes";
          result.left.push({ path, why });
        } else result.gone.add(path);
      } else if (before.kind !== "directory" || stat?.kind !== "directory") {
        const isOutside = before.kind === "hardlink" && within !== undefined &&
          !isIn(before.target, within);
        const entry = isOutside && this.#first !== undefined
          ? withoutAbsentLink(before, this.#first, chosen, instead)
          : before;
        chosen.set(path, entry);
      } else if (force || hasAttributes(states.after, stat)) {
        chosen.set(path, before);
      }
    }
    this.#addAbove(chosen, result.above, onDisk);
    result.entries = [...chosen.values()]
      .sort((a, b) => comparePaths(a.path, b.path));
    return result;
  }

  /** Adds the other hard links to changed files. */
  #addLinked(): void {
    const names = new Map<string, string[]>();
    for (const { kind, path, target } of this.#first?.entries ?? []) {
      if (kind !== "hardlink") continue;
      names.set(target, [...names.get(target) ?? [target], path]);
    }
    for (const group of names.values()) {
      if (!group.some((path) => this.#paths.has(path))) continue;
      for (const path of group) {
        if (this.#paths.has(path)) continue;
        const entry = this.#first?.byPath.get(path);
        this.#paths.set(path, { before: entry, after: entry });
      }
    }
  }

  /**
   * Adds the folders above the chosen entries to `chosen`. Also adds a folder
   * to `above` if the folder exists and no longer has its earlier mode, time
   * and owner.
   */
  #addAbove(
    chosen: Map<string, TreeEntry>,
    above: Set<string>,
    onDisk: TargetDirectory,
  ): void {
    for (const path of [...chosen.keys()]) {
      for (let at = parentPath(path); at !== ""; at = parentPath(at)) {
        if (chosen.has(at)) break;
        const folder = this.#first?.byPath.get(at);
        if (folder === undefined) break;
        chosen.set(at, folder);
        const stat = onDisk.at(at);
        if (stat && !hasAttributes(folder, stat)) above.add(at);
      }
    }
  }
}

/**
 * Yields each path of two lists, which must be in path order, with its entry in
 * each list, or `undefined` if a list does not have the path.
 */
function* pairs(
  old: readonly TreeEntry[],
  now: readonly TreeEntry[],
): Generator<
  [path: string, old: TreeEntry | undefined, now: TreeEntry | undefined]
> {
  for (let i = 0, j = 0; i < old.length || j < now.length;) {
    const order = i >= old.length
      ? 1
      : j >= now.length
      ? -1
      : comparePaths(old[i].path, now[j].path);
    const path = order <= 0 ? old[i].path : now[j].path;
    yield [
      path,
      order <= 0 ? old[i] : undefined,
      order >= 0 ? now[j] : undefined,
    ];
    if (order <= 0) i++;
    if (order >= 0) j++;
  }
}

function isSameEntry(one: TreeEntry, other: TreeEntry): boolean {
  return one === other || changedFields(one, other).length === 0;
}

function isSameState(
  one: TreeEntry | undefined,
  other: TreeEntry | undefined,
): boolean {
  if (one === undefined || other === undefined) return one === other;
  // The time of a folder is ignored, because it changes with the folder's
  // content.
  return changedFields(one, other).every((field) =>
    field === "mtime" && one.kind === "directory"
  );
}

/**
 * Returns whether the state of a path on the disk is the state before the
 * changes or the state after them. If `isMixed` is `true`, the state after the
 * changes is not accepted.
 */
function* isUntouched(
  { before, after, isMixed }: PathStates,
  stat: FileStat | undefined,
  onDisk: TargetDirectory,
): Generator<void, boolean> {
  if (yield* isOnDisk(before, stat, onDisk)) return true;
  return !isMixed && (yield* isOnDisk(after, stat, onDisk));
}

/**
 * Returns whether a path on the disk has the kind, content, mode and owner of
 * an entry. For a folder, only the kind is compared. For a hard link, returns
 * whether the path and the target of the link are the same file. If there is no
 * entry, returns whether the path does not exist.
 */
function* isOnDisk(
  entry: TreeEntry | undefined,
  stat: FileStat | undefined,
  onDisk: TargetDirectory,
): Generator<void, boolean> {
  if (entry === undefined || stat === undefined) {
    return (entry === undefined) === (stat === undefined);
  }
  const { path } = entry;
  if (entry.kind === "hardlink") {
    const first = onDisk.at(entry.target);
    return first !== undefined && isSameFile(first, stat);
  }
  if (entry.kind !== stat.kind) return false;
  if (entry.kind === "directory") return true;
  if (!isSameOwner(entry, stat)) return false;
  if (entry.kind === "symlink") return onDisk.target(path) === entry.target;
  if (isSpecial(entry)) return isSameNumber(deviceOf(entry), stat.rdev);
  const { size, sha256, sparse } = entry;
  if (stat.size !== size || sha256 === undefined) return false;
  return yield* onDisk.hasContent(path, { size, sha256, sparse });
}

/**
 * Returns whether a folder on the disk has the mode, time and owner of an
 * entry.
 */
function hasAttributes(entry: TreeEntry | undefined, stat: FileStat): boolean {
  return entry !== undefined && isSameOwner(entry, stat) &&
    isSameTime(entry.mtime, stat.mtime);
}

function isSameOwner(
  { kind, mode, uid, gid }: TreeEntry,
  stat: FileStat,
): boolean {
  return uid === stat.uid && gid === stat.gid &&
    (kind === "symlink" || mode === stat.mode);
}

/** Returns whether a path, or a folder above it, is in a set. */
function isIn(path: string, paths: ReadonlySet<string>): boolean {
  for (let at = path; at !== ""; at = parentPath(at)) {
    if (paths.has(at)) return true;
  }
  return false;
}

function changedSince(path: string): DeltarError {
  return new DeltarError(
    "changed",
    "the path changed again after the changes that would be undone; use " +
      "`force` to undo them anyway",
    {
      path,
    },
  );
}
