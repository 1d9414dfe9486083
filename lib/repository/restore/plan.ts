import { codeOf, DeltarError, isDamage } from "../../bytes/errors.ts";
import { inTurns } from "../../bytes/turns.ts";
import {
  deviceOf,
  isSameNumber,
  isSameTime,
} from "../../tree/change_finder.ts";
import {
  canHaveLinks,
  type HardLinkEntry,
  isSpecial,
  type Metadata,
  nameOfKind,
} from "../../tree/entry.ts";
import { endsAll } from "../../tree/file.ts";
import { isSameFile } from "../../tree/folder.ts";
import { foldName, nameFault } from "../../tree/name.ts";
import {
  checkPath,
  comparePaths,
  isWithin,
  parentPath,
} from "../../tree/path.ts";
import {
  canUseRawNames,
  canUseXattr,
  whyNotMade,
} from "../../tree/open_folder.ts";
import { Permissions } from "../../tree/permission.ts";
import { DiskProbe } from "../../tree/probe.ts";
import { alikePaths, Spelling } from "../../tree/spelling.ts";
import type { FileStat } from "../../tree/stat.ts";
import type { TargetDirectory } from "../../tree/target_directory.ts";
import { ownIds, PLATFORM } from "../../tree/this_system.ts";
import { ownerMatters } from "../../tree/tree_writer.ts";
import { asOfWindows, isOfWindows } from "../../tree/windows_modes.ts";
import type { XattrSelection } from "../../tree/xattrs.ts";
import type { TreeEntry } from "../layers/tree_layer.ts";
import { Heirs, isLinkable } from "./heirs.ts";
import { isPrivileged, notTrusted, withoutPrivileges } from "./privileges.ts";
import type { RemovalPolicy } from "./removal.ts";
import { withJson } from "../../tree/to_json.ts";
import type { SnapshotRecord } from "../format/snapshot_record.ts";
import type { Tree } from "../layers/tree.ts";

/**
 * A change that a restore makes to one path. `action` is the kind of change.
 */
export type RestoreStep = CreateStep | ChangeStep | DeleteStep;

/** The creation of a path that does not exist yet. */
export interface CreateStep {
  /** The path below the target. */
  path: string;
  /** The kind of change. */
  action: "create";
  /** The entry after the restore. */
  entry: TreeEntry;
  /** Absent, because the path does not exist. */
  was?: undefined;
  /** Absent, because the path does not exist. */
  from?: undefined;
}

/** The change of an existing path. */
export interface ChangeStep {
  /** The path below the target. */
  path: string;
  /**
   * The kind of change:
   *
   * - `replace`: the existing entry has a different content, target or kind, is
   *   a hard link to a different file, or needs a `touch` that would also
   *   affect its names outside the snapshot;
   * - `touch`: only the mode, time, owner or extended attributes differ, or the
   *   spelling of the name.
   */
  action: "replace" | "touch";
  /** The entry after the restore. */
  entry: TreeEntry;
  /** The kind of the existing entry. */
  was: FileStat["kind"];
  /**
   * The current path if its last name is spelled differently in `path`, such as
   * `file.TXT` for `File.txt` on a disk that ignores case. The restore changes
   * the spelling to that in `path`. Absent if the spellings are equal, or if
   * the file system might change the new spelling back to the current one.
   */
  from?: string;
}

/** The deletion of a path. */
export interface DeleteStep {
  /** The path below the target. */
  path: string;
  /** The kind of change. */
  action: "delete";
  /** Absent, because the path does not exist after the restore. */
  entry?: undefined;
  /** The kind of the existing entry. */
  was: FileStat["kind"];
  /** Absent, because the name of a deleted entry is not respelled. */
  from?: undefined;
}

/** A path that a restore leaves as it is, and the reason. */
export interface RestoreLeft {
  /** The path below the target. */
  path: string;
  /**
   * The reason as text, such as the rule that excluded the path from the
   * snapshot.
   */
  why: string;
}

/** A path that cannot be restored completely, and the error. */
export interface RestoreFailure {
  /** The path below the target; `.` for the target itself. */
  path: string;
  /** The error, which names the reason. */
  error: Error;
  /**
   * Whether the path was restored except for a part of its mode, time, owner or
   * extended attributes, which `error` names.
   */
  restored?: true;
  /**
   * Whether the only reason for the failure is that the repository belongs to
   * somebody else. With the option `trust`, this failure does not occur.
   */
  untrusted?: true;
}

/** The changes that a restore would make, as data. */
export interface RestorePlan {
  /** The directory's absolute path. */
  target: string;
  /** The changes, in path order. */
  steps: RestoreStep[];
  /** The number of entries that need no change. */
  kept: number;
  /**
   * The number of entries whose owner or group would not be set, because only
   * root can set owners and groups.
   */
  ownersUnset: number;
  /** The paths that `delete`, an undo or a redo keeps, and the reasons. */
  left: RestoreLeft[];
  /**
   * The paths that are already known to fail, at least in part. For example, an
   * entry that must not be deleted is in the way, the system does not allow the
   * name, or the folder is not writable.
   */
  failed: RestoreFailure[];
  /** The total size of the files to write, in bytes. */
  bytes: number;
  /**
   * Whether the mode, time, owner or extended attributes of the directory
   * itself change.
   */
  touchesRoot: boolean;
  /**
   * For an undo or redo, the id of the snapshot or safety snapshot that the
   * reverted operation had restored. Absent for a restore, and for the undo of
   * a restore into a new or empty directory.
   */
  reverts?: string;
}

/** The state of the target after a restore. */
export interface TargetState {
  /** The entries to restore, in path order. */
  entries: readonly TreeEntry[];
  /**
   * The paths of the folders that are in `entries` only because other entries
   * in them are restored.
   */
  above: ReadonlySet<string>;
  /**
   * The mode, time and owner to set on the directory itself; `undefined` if
   * they are not restored.
   */
  root: Metadata | undefined;
  /**
   * The error that names the privileges that were removed from `root`, because
   * the repository belongs to somebody else. Absent if none were removed.
   */
  rootFault?: DeltarError;
  /**
   * Called with the name of each extended attribute. Returns whether the
   * attribute is compared and restored. Default: all are compared and restored.
   */
  selectsXattr?: XattrSelection;
  /**
   * Whether the state comes from a repository that belongs to somebody else. In
   * this case, owners and privileges in the state are not trusted.
   */
  isForeign?: boolean;
}

/**
 * Returns the state of the target that a snapshot describes.
 *
 * @param tree The snapshot's tree.
 * @param record The snapshot.
 * @param paths The files and folders to restore, with all their content.
 * Default: all. If the first name of a file, named pipe or device with hard
 * links is not in these paths, the first name that is in them takes its place.
 * @throws {DeltarError} `not-found` if a path is not in the snapshot; `unsafe`
 * if a path is not a path inside a tree.
 */
export function targetStateOf(
  tree: Tree,
  record: SnapshotRecord,
  paths: readonly string[] | undefined,
): TargetState {
  const { directory, root } = record;
  const wanted = pick(tree, record, paths);
  return isOfWindows(directory)
    ? {
      ...wanted,
      entries: wanted.entries.map(asOfWindows),
      root: wanted.root && asOfWindows(root),
    }
    : wanted;
}

function pick(
  tree: Tree,
  record: SnapshotRecord,
  paths: readonly string[] | undefined,
): TargetState {
  if (paths === undefined) {
    return { entries: tree.entries, above: new Set(), root: record.root };
  }
  for (const path of paths) {
    checkPath(path);
    if (!tree.byPath.has(path)) {
      throw new DeltarError("not-found", "not in this snapshot", {
        object: record.id,
        path,
      });
    }
  }
  const chosen = new Map<string, TreeEntry>();
  const above = new Set<string>();
  const instead = new Map<string, string>();
  for (const entry of tree.entries) {
    if (paths.some((path) => isWithin(entry.path, path))) {
      chosen.set(entry.path, withoutAbsentLink(entry, tree, chosen, instead));
    } else if (
      entry.kind === "directory" &&
      paths.some((path) => isWithin(path, entry.path))
    ) {
      chosen.set(entry.path, entry);
      above.add(entry.path);
    }
  }
  return { entries: [...chosen.values()], above, root: undefined };
}

/**
 * Returns what to restore for a chosen entry. The first hard link to a path
 * that is not chosen becomes the linked entry itself, under the path of the
 * link. Later links to the same path become links to the first link. All other
 * entries are returned unchanged.
 *
 * @param entry The chosen entry.
 * @param tree The snapshot's tree.
 * @param chosen The entries that have been chosen so far, by path.
 * @param instead The path of the first link, by the linked path. This function
 * adds first links to the map.
 */
export function withoutAbsentLink(
  entry: TreeEntry,
  tree: Tree,
  chosen: Map<string, TreeEntry>,
  instead: Map<string, string>,
): TreeEntry {
  if (entry.kind !== "hardlink" || chosen.has(entry.target)) return entry;
  const { target } = entry;
  const first = instead.get(target);
  if (first !== undefined) return withJson({ ...entry, target: first });
  const linked = tree.byPath.get(target);
  // If the link has no valid target, the tree is invalid. The restore then
  // reports that the link cannot be restored.
  if (linked === undefined || !isLinkable(linked)) return entry;
  instead.set(target, entry.path);
  return withJson({ ...linked, path: entry.path });
}

/**
 * Compares the wanted state of the target with the current state, and returns
 * the plan.
 *
 * @param onDisk The target.
 * @param wanted The wanted state.
 * @param removal The policy for deleting paths.
 * @param signal The signal that ends the work with an error of code `aborted`.
 */
export async function planSteps(
  onDisk: TargetDirectory,
  wanted: TargetState,
  removal: RemovalPolicy,
  signal?: AbortSignal,
): Promise<RestorePlan> {
  const planner = new Planner(onDisk, wanted, removal);
  await inTurns(planner.run(), signal);
  return planner.finish();
}

class Planner {
  readonly #onDisk: TargetDirectory;
  readonly #wanted: TargetState;
  readonly #removal: RemovalPolicy;
  readonly #steps: RestoreStep[] = [];
  readonly #removed = new Set<string>();
  readonly #failed = new Map<string, Error>();
  readonly #heirs = new Heirs();
  /**
   * The failures that are not in `#failed`: modes, times and owners that cannot
   * be set, and privileges and devices that are not trusted.
   */
  readonly #noted: RestoreFailure[] = [];
  readonly #left: RestoreLeft[] = [];
  /**
   * The path of the first entry of the snapshot that was found at each inode
   * with several names. The keys are device and inode numbers.
   */
  readonly #claimed = new Map<string, string>();
  /** The other names of each entry with hard links, by its first name. */
  readonly #groups: ReadonlyMap<string, readonly string[]>;
  /**
   * The paths of the files, named pipes and devices that get a new inode. Their
   * other names must be linked again.
   */
  readonly #renewed = new Set<string>();
  readonly #permissions: Permissions;
  readonly #spelling: Spelling;
  /**
   * The wanted paths that this disk might treat as the path of another wanted
   * entry, each with a key. All paths that might be treated as one path have
   * the same key. See `alikePaths`.
   */
  readonly #alike: ReadonlyMap<string, string>;
  /**
   * The paths in `#alike` that `#checkName` has accepted so far, by their keys.
   * This disk treats no two of these paths as one path.
   */
  readonly #firsts = new Map<string, string[]>();
  /**
   * The path of each entry whose name is spelled differently on the disk. The
   * key is the path with the spelling on the disk.
   */
  readonly #listed = new Map<string, string>();
  #blocked: string | undefined;
  #kept = 0;
  #ownersUnset = 0;
  readonly #setsOwners = ownerMatters();
  /** The numbers of the user and group that own new entries. */
  readonly #own = ownIds();
  #bytes = 0;

  constructor(
    onDisk: TargetDirectory,
    wanted: TargetState,
    removal: RemovalPolicy,
  ) {
    this.#onDisk = onDisk;
    this.#wanted = wanted;
    this.#removal = removal;
    const groups = new Map<string, string[]>();
    for (const { kind, path, target } of wanted.entries) {
      if (kind !== "hardlink") continue;
      const group = groups.get(target);
      if (group) group.push(path);
      else groups.set(target, [path]);
    }
    this.#groups = groups;
    this.#permissions = new Permissions(onDisk);
    this.#spelling = new Spelling(
      onDisk,
      new DiskProbe((path) => onDisk.place(path)),
    );
    this.#alike = alikePaths(pathsOf(wanted.entries));
  }

  /**
   * Plans all steps. Yields before each entry, and after each part of a large
   * file.
   */
  *run(): Generator<void, void> {
    for (const entry of this.#wanted.entries) {
      yield;
      yield* this.#entry(entry);
    }
    yield* this.#removeExtra();
  }

  /** Plans the step for one wanted entry. */
  *#entry(wanted: TreeEntry): Generator<void, void> {
    const { path } = wanted;
    if (this.#blocked !== undefined && isWithin(path, this.#blocked)) {
      const words = `the folder ${this.#blocked} cannot be restored`;
      this.#failed.set(path, new DeltarError("exists", words, { path }));
      return this.#heirs.lose(wanted);
    }
    const entry = this.#heirs.of(wanted);
    try {
      this.#checkName(path);
      const stat = this.#onDisk.at(path);
      yield* this.#compare(entry, stat);
      this.#countOwner(entry, stat);
    } catch (error) {
      if (!isOfOnePath(error)) throw error;
      this.#failed.set(path, error);
      this.#heirs.lose(entry);
      if (entry.kind === "directory") this.#blocked = path;
    }
  }

  /**
   * Refuses a name that this system does not allow, or that this disk treats as
   * the name of an earlier entry.
   */
  #checkName(path: string): void {
    const name = path.slice(path.lastIndexOf("/") + 1);
    const fault = nameFault(name, PLATFORM, canUseRawNames());
    if (fault !== undefined) throw new DeltarError("unsafe", fault, { path });
    const key = this.#alike.get(path);
    if (key === undefined) return;
    const firsts = this.#firsts.get(key) ?? [];
    this.#firsts.set(key, firsts);
    const same = firsts.find((first) => this.#spelling.isOneName(first, path));
    if (same !== undefined) throw sameName(path, same);
    firsts.push(path);
  }

  /** Plans the deletion of the removable paths that are not wanted. */
  *#removeExtra(): Generator<void, void> {
    const found: { path: string; kind: FileStat["kind"] }[] = [];
    // Names are compared in their folded form, because the disk can list a name
    // in another spelling.
    const removed = Map.groupBy(this.#removed, foldName);
    for (const { path: listed, kind } of this.#removal.removable()) {
      yield;
      const path = this.#asWanted(listed);
      if (this.#isInFailed(path) || this.#isAmong(removed, path)) continue;
      found.push({ path, kind });
    }
    const wanted = this.#wantedLike(found);
    const extra = found.filter(({ path, kind }) =>
      !this.#isAmong(wanted, path) && this.#mayRemove(path, kind)
    );
    const going = new Map(extra.map(({ path, kind }) => [path, kind]));
    let alike: Map<string, string[]> | undefined;
    const isGoing = (path: string) => {
      if (going.has(path)) return true;
      alike ??= Map.groupBy(going.keys(), foldName);
      return alike.get(foldName(path))?.some((other) =>
        going.has(other) && this.#spelling.isOneName(other, path)
      );
    };
    for (const [path, kind] of [...going].reverse()) {
      if (kind !== "directory") continue;
      const stays = this.#onDisk.names(path).find((name) =>
        !isGoing(`${path}/${name}`)
      );
      if (stays === undefined) continue;
      going.delete(path);
      this.#left.push({
        path,
        why: `the folder is not empty: ${path}/${stays} is kept`,
      });
    }
    for (const [path, kind] of going) this.#remove(path, kind);
  }

  /**
   * Returns whether this disk treats a path as one of the given paths.
   *
   * @param paths The paths, grouped by their folded form.
   */
  #isAmong(paths: ReadonlyMap<string, string[]>, path: string): boolean {
    return paths.get(foldName(path))?.some((other) =>
      this.#spelling.isOneName(other, path)
    ) ?? false;
  }

  #mayRemove(path: string, kind: FileStat["kind"]): boolean {
    // An entry that an undo could not bring back is kept.
    const why = whyNotMade(kind);
    if (why !== undefined) {
      this.#left.push({ path, why });
      return false;
    }
    const fault = this.#faultOfRemoval(path);
    if (fault !== undefined) this.#failed.set(path, fault);
    return fault === undefined;
  }

  /**
   * Returns a path in the spelling of the wanted entries. The spelling of a
   * name without a wanted entry is not changed.
   *
   * @param path The path in the spelling on the disk.
   */
  #asWanted(path: string): string {
    if (this.#listed.size === 0 || path === "") return path;
    const folder = this.#asWanted(parentPath(path));
    const name = path.slice(path.lastIndexOf("/") + 1);
    const at = folder === "" ? name : `${folder}/${name}`;
    return this.#listed.get(at) ?? at;
  }

  /**
   * Returns the paths of the wanted entries that might be other spellings of
   * the found paths, grouped by their folded form.
   */
  #wantedLike(found: readonly { path: string }[]): Map<string, string[]> {
    const wanted = new Map<string, string[]>();
    for (const { path } of found) wanted.set(foldName(path), []);
    if (wanted.size === 0) return wanted;
    for (const { path } of this.#wanted.entries) {
      wanted.get(foldName(path))?.push(path);
    }
    return wanted;
  }

  #faultOfRemoval(path: string): DeltarError | undefined {
    const stat = this.#onDisk.at(path);
    const why = this.#permissions.faultOfName(path, stat);
    return why === undefined ? undefined : refused(path, why);
  }

  /** Returns whether a path, or a folder above it, cannot be restored. */
  #isInFailed(path: string): boolean {
    if (this.#failed.size === 0) return false;
    for (let at = path; at !== ""; at = parentPath(at)) {
      if (this.#failed.has(at)) return true;
    }
    return false;
  }

  finish(): RestorePlan {
    const { rootFault } = this.#wanted;
    const root = this.#wantedRoot();
    const rootFaults: RestoreFailure[] = rootFault
      ? [{ path: ".", error: rootFault, restored: true, untrusted: true }]
      : [];
    const unsettable = this.#xattrFault();
    if (unsettable !== undefined) {
      rootFaults.push({ path: ".", error: unsettable, restored: true });
    }
    const now = this.#onDisk.at("");
    const order = (a: { path: string }, b: { path: string }) =>
      comparePaths(a.path, b.path);
    return {
      target: this.#onDisk.root,
      steps: this.#steps.sort(order),
      kept: this.#kept,
      ownersUnset: this.#ownersUnset,
      left: this.#left.sort(order),
      failed: [
        ...[...this.#failed].map(([path, error]) => ({ path, error })),
        ...this.#noted,
        ...rootFaults,
      ].sort(order),
      bytes: this.#bytes,
      touchesRoot: root !== undefined &&
        (now === undefined || !this.#isSame({ path: "", ...root }, now)),
    };
  }

  /**
   * Returns an error if wanted entries have extended attributes and this
   * runtime cannot set them; otherwise `undefined`.
   */
  #xattrFault(): DeltarError | undefined {
    const isUnsettable = ({ xattrs }: Pick<Metadata, "xattrs">) =>
      Object.keys(xattrs ?? {}).some((name) => !canUseXattr(name));
    const { entries, root } = this.#wanted;
    const count = entries.filter(isUnsettable).length +
      (root !== undefined && isUnsettable(root) ? 1 : 0);
    if (count === 0) return undefined;
    return new DeltarError(
      "unsupported",
      `the extended attributes and ACLs of ${count} ` +
        `${count === 1 ? "entry" : "entries"} are not restored, because ` +
        "this runtime cannot set them; use the binary, Deno or Bun on Linux, " +
        "or restore without them",
      { path: "." },
    );
  }

  /**
   * Returns the wanted mode, time and owner of the directory itself, or
   * `undefined` if they are not restored or cannot be set.
   */
  #wantedRoot(): Metadata | undefined {
    const { root } = this.#wanted;
    const now = this.#onDisk.at("");
    if (root === undefined || now === undefined) return root;
    const why = this.#permissions.faultOfState(now);
    if (why === undefined) return root;
    // If only the time of another user's directory differs, no failure is
    // reported.
    if (!this.#isSame({ path: "", ...root }, { ...now, mtime: root.mtime })) {
      this.#noted.push({ path: ".", error: refused(".", why) });
    }
    return undefined;
  }

  /**
   * Returns whether an existing entry has the wanted mode, time, owner and
   * extended attributes, except for those that cannot be set.
   */
  #isSame(entry: Metadata & { path: string }, stat: FileStat): boolean {
    return isSameMetadata(entry, stat) && this.#onDisk.hasXattrs(
      entry.path,
      entry.xattrs,
      this.#wanted.selectsXattr,
    );
  }

  *#compare(
    entry: TreeEntry,
    stat: FileStat | undefined,
  ): Generator<void, void> {
    const { path, kind, target } = entry;
    if (stat === undefined) return this.#create(entry);
    if (entry.kind === "hardlink" && this.#isLinked(entry, stat)) {
      return this.#keep(entry, stat);
    }
    const found = stat.kind;
    if (found !== kind) {
      const why = whyNotMade(found);
      if (why !== undefined) {
        throw new DeltarError(
          "exists",
          `not replaced, because an undo could not bring back ${why}. ` +
            `Move ${path} elsewhere and restore again.`,
          { path },
        );
      }
      return this.#exchange(entry, stat);
    }
    if (kind === "directory") {
      const isGood = this.#wanted.above.has(path) || this.#isSame(entry, stat);
      return isGood
        ? this.#keep(entry, stat)
        : this.#change("touch", entry, stat);
    }
    const isSame = kind === "symlink"
      ? this.#onDisk.target(path) === target
      : !this.#isClaimed(entry, stat) && (isSpecial(entry)
        ? isSameNumber(deviceOf(entry), stat.rdev)
        : yield* this.#hasContent(entry, stat));
    if (!isSame) return this.#change("replace", entry, stat);
    if (this.#isSame(entry, stat)) return this.#keep(entry, stat);
    // If the entry has names outside the snapshot, a change would affect these
    // names, too, so the entry is replaced.
    const alone = !isLinkable(entry) || stat.links === 1 ||
      stat.links === this.#namesFound(entry, stat);
    this.#change(alone ? "touch" : "replace", entry, stat);
  }

  /**
   * Returns whether an existing entry is already a hard link to the target of a
   * wanted link.
   */
  #isLinked({ target }: HardLinkEntry, stat: FileStat): boolean {
    if (this.#renewed.has(target) || !canHaveLinks(stat.kind)) return false;
    const first = this.#onDisk.at(target);
    return first !== undefined && isSameFile(first, stat);
  }

  /**
   * Plans the replacement of an existing entry whose kind differs from the
   * wanted kind. If the existing entry is a folder, also plans the deletion of
   * its content.
   */
  #exchange(entry: TreeEntry, stat: FileStat): void {
    const { path } = entry;
    if (this.#wanted.above.has(path)) {
      throw new DeltarError(
        "unsafe",
        `a ${nameOfKind(stat.kind)} is in the way of a folder; move ${path} ` +
          "elsewhere and restore again",
        { path },
      );
    }
    const inside = stat.kind === "directory" ? this.#emptied(path) : [];
    this.#change("replace", entry, stat);
    for (const { path: at, stat } of inside) this.#remove(at, stat.kind);
  }

  /**
   * Returns the content of a folder that is in the way. Throws if a part of the
   * content must not be deleted.
   */
  #emptied(path: string): { path: string; stat: FileStat }[] {
    const inside = [...this.#onDisk.below(path)];
    const folders = inside.filter(({ stat }) => stat.kind === "directory");
    for (const folder of [path, ...folders.map(({ path }) => path)]) {
      const name = this.#onDisk.untouchable(folder);
      if (name === undefined) continue;
      const why = name.includes("\uFFFD")
        ? "the name is not valid UTF-8"
        : "the name is reserved for deltar's temporary files";
      throw new DeltarError(
        "exists",
        `a folder is in the way, and ${folder}/${name} cannot be saved ` +
          `before the folder is deleted (${why}); move the folder elsewhere ` +
          "and restore again",
        { path },
      );
    }
    if (inside.length > 0 && !this.#removal.mayEmptyFolders) {
      throw new DeltarError(
        "exists",
        "a folder that is not empty is in the way; move the folder elsewhere, " +
          "or restore with `delete`",
        { path },
      );
    }
    for (const { path: at, stat } of inside) {
      const why = whyNotMade(stat.kind) ??
        this.#removal.whySpared(
          at,
          stat.kind,
          (other) => this.#spelling.isOneName(other, at),
        );
      if (why !== undefined) {
        this.#left.push({ path: at, why });
        throw new DeltarError(
          "exists",
          `a folder is in the way, and ${at} in it cannot be deleted (${why}); ` +
            "move the folder elsewhere and restore again",
          { path },
        );
      }
      const fault = this.#faultOfRemoval(at);
      if (fault !== undefined) throw fault;
    }
    return inside;
  }

  /**
   * Returns whether an earlier entry of the snapshot was found at the same
   * inode. If not, and if the inode has several names, records that this entry
   * was found there.
   */
  #isClaimed({ path }: TreeEntry, stat: FileStat): boolean {
    if (stat.links === 1) return false;
    const key = `${stat.device}:${stat.inode}`;
    const first = this.#claimed.get(key);
    if (first !== undefined) return true;
    this.#claimed.set(key, path);
    return false;
  }

  *#hasContent(
    { path, size, sha256, sparse }: TreeEntry,
    stat: FileStat,
  ): Generator<void, boolean> {
    if (stat.size !== size || sha256 === undefined) return false;
    return yield* this.#onDisk.hasContent(path, { size, sha256, sparse });
  }

  /**
   * Returns the number of names of the existing file, named pipe or device that
   * are also names of the entry in the snapshot.
   */
  #namesFound({ path }: TreeEntry, stat: FileStat): number {
    const others = this.#groups.get(path) ?? [];
    return 1 + others.filter((other) => {
      const found = this.#onDisk.at(other);
      return found?.inode === stat.inode && found.device === stat.device;
    }).length;
  }

  #create(wanted: TreeEntry): void {
    const { path } = wanted;
    const why = this.#permissions.faultOfName(path, undefined);
    if (why !== undefined) throw refused(path, why);
    const entry = this.#trusted(wanted, undefined);
    if (entry === undefined) return;
    this.#checkMade(entry);
    this.#renew(entry);
    this.#steps.push({ path, action: "create", entry });
  }

  #change(
    action: ChangeStep["action"],
    wanted: TreeEntry,
    stat: FileStat,
    from = this.#spelledOtherwise(wanted, stat),
  ): void {
    const { path } = wanted;
    const why = action === "touch"
      ? this.#permissions.faultOfState(stat)
      : this.#permissions.faultOfName(path, stat);
    if (why !== undefined) {
      if (stat.kind !== "directory") throw refused(path, why);
      // The folder is not added to `#failed`, because its content can still be
      // restored.
      this.#noted.push({ path, error: refused(path, why) });
      return;
    }
    const entry = this.#trusted(wanted, stat);
    if (entry === undefined) return;
    if (action !== "touch") this.#checkMade(entry);
    const isDone = action === "touch" && from === undefined &&
      entry !== wanted && this.#isSame(entry, stat);
    if (isDone) {
      this.#kept++;
      return;
    }
    if (action !== "touch") this.#renew(entry);
    this.#steps.push({
      path,
      action,
      entry,
      was: stat.kind,
      ...(from !== undefined && { from }),
    });
  }

  /** Counts an entry whose owner or group differs and cannot be set. */
  #countOwner(entry: TreeEntry, stat: FileStat | undefined): void {
    if (this.#setsOwners || PLATFORM === "win32") return;
    const { uid, gid } = stat ?? this.#own;
    if (entry.kind === "hardlink" || this.#wanted.above.has(entry.path)) return;
    if (entry.uid !== uid || entry.gid !== gid) this.#ownersUnset++;
  }

  /** Throws if this process cannot create an entry. */
  #checkMade({ path, kind }: TreeEntry): void {
    const why = kind === "hardlink" ? undefined : whyNotMade(kind);
    if (why !== undefined) throw refused(path, why);
  }

  /**
   * Records that an entry gets a new inode, and adds the entry's size to the
   * number of bytes to write. Does nothing for folders and links.
   */
  #renew(entry: TreeEntry): void {
    if (!isLinkable(entry)) return;
    this.#renewed.add(entry.path);
    this.#bytes += entry.size;
  }

  /**
   * Returns the entry without the privileges that are not trusted; `undefined`
   * if the entry itself is not trusted.
   */
  #trusted(
    wanted: TreeEntry,
    stat: FileStat | undefined,
  ): TreeEntry | undefined {
    // A hard link has the mode, time and owner of its file, so only the file is
    // checked.
    if (!this.#wanted.isForeign || wanted.kind === "hardlink") return wanted;
    const { path } = wanted;
    if (isPrivileged(wanted)) {
      const error = notTrusted(path, ["the device"]);
      this.#noted.push({ path, error, untrusted: true });
      this.#heirs.lose(wanted);
      return undefined;
    }
    const { entry, dropped } = withoutPrivileges(wanted, stat);
    if (dropped.length === 0) return wanted;
    const error = notTrusted(path, dropped);
    this.#noted.push({ path, error, restored: true, untrusted: true });
    return entry;
  }

  /**
   * Returns the current path of an entry if its name must be respelled;
   * otherwise `undefined`.
   */
  #spelledOtherwise({ path }: TreeEntry, stat: FileStat): string | undefined {
    const from = this.#spelling.listedAs(path, stat);
    if (from === path) return undefined;
    this.#listed.set(from, path);
    return this.#spelling.isGiven(from, path) ? undefined : from;
  }

  #remove(path: string, was: FileStat["kind"]): void {
    this.#removed.add(path);
    this.#steps.push({ path, action: "delete", was });
  }

  /** Keeps an entry as it is, except for the spelling of its name. */
  #keep(entry: TreeEntry, stat: FileStat): void {
    const from = this.#spelledOtherwise(entry, stat);
    if (from === undefined) this.#kept++;
    else this.#change("touch", entry, stat, from);
  }
}

function* pathsOf(entries: readonly TreeEntry[]): Generator<string> {
  for (const { path } of entries) yield path;
}

function refused(path: string, why: string): DeltarError {
  return new DeltarError("io", why, { path });
}

/**
 * Returns the error for a path that this disk treats as the path of an earlier
 * entry.
 */
export function sameName(path: string, first: string): DeltarError {
  return new DeltarError(
    "exists",
    `this disk does not distinguish the name from ${first}; only ${first} ` +
      "is restored",
    { path },
  );
}

/**
 * Returns whether an existing entry has the wanted mode, time and owner, except
 * for those that cannot be set.
 */
function isSameMetadata(wanted: Metadata, stat: FileStat): boolean {
  return isSameMode(wanted.mode, stat) &&
    isSameTime(wanted.mtime, stat.mtime) &&
    (!ownerMatters() || wanted.uid === stat.uid && wanted.gid === stat.gid);
}

/**
 * Returns whether an existing entry has the wanted mode. The modes of symlinks
 * are not compared. On Windows, only the write permission of files is compared,
 * because Windows stores no other part of the mode.
 */
function isSameMode(wanted: number, { kind, mode }: FileStat): boolean {
  if (kind === "symlink") return true;
  if (PLATFORM !== "win32") return wanted === mode;
  return kind === "directory" || ((wanted ^ mode) & 0o200) === 0;
}

/**
 * Returns whether an error affects only one path, so that other paths can still
 * be restored. An error in the target affects only one path, unless `endsAll`
 * returns `true` for the error. An error in the repository affects only one
 * path if a single object is damaged or unreadable, but all paths if a server
 * does not respond.
 */
export function isOfOnePath(error: unknown): error is DeltarError {
  if (isDamage(error)) return true;
  if (!(error instanceof DeltarError) || error.code === "aborted") return false;
  if (error.code !== "io") return true;
  if (error.path !== undefined) return !endsAll(error);
  const code = codeOf(error.cause);
  return code !== undefined && OF_ONE_OBJECT.has(code);
}

/**
 * The codes of system errors that affect only the reading of one object of a
 * local repository.
 */
const OF_ONE_OBJECT: ReadonlySet<string> = new Set([
  "EACCES",
  "EIO",
  "EISDIR",
  "ELOOP",
  "EPERM",
]);
