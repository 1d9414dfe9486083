import { DeltarError } from "../../bytes/errors.ts";
import { inTurns } from "../../bytes/turns.ts";
import { foldName } from "../../tree/name.ts";
import { deviceOf, isSameNumber } from "../../tree/change_finder.ts";
import { isSpecial } from "../../tree/entry.ts";
import { isSameFile } from "../../tree/folder.ts";
import { comparePaths, isWithin, parentPath } from "../../tree/path.ts";
import { alikePaths } from "../../tree/spelling.ts";
import type { FileStat } from "../../tree/stat.ts";
import type { TargetDirectory } from "../../tree/target_directory.ts";
import type { TreeEntry } from "../layers/tree_layer.ts";
import type { Store } from "../store/store.ts";
import type { FreshRestore } from "../store/fresh_restore.ts";
import {
  isOfOnePath,
  planSteps,
  type RestorePlan,
  type TargetState,
  targetStateOf,
} from "./plan.ts";
import type { RemovalPolicy } from "./removal.ts";

/** The plan for undoing a restore into a directory that was new or empty. */
export interface FreshUndo {
  /**
   * The plan. It deletes the entries that the restore wrote, unless they were
   * changed after the restore.
   */
  plan: RestorePlan;
  /** Whether the directory itself is deleted if it is empty after all steps. */
  removesRoot: boolean;
}

/** Options for undoing a restore into a directory that was new or empty. */
interface FreshUndoOptions {
  /** The paths for which the restore is undone. Default: all paths. */
  paths?: readonly string[];
  /** The signal that ends the work with an error of code `aborted`. */
  signal?: AbortSignal;
}

/**
 * Returns the plan for undoing a restore into a directory that was new or
 * empty. The plan deletes files and links that match the snapshot, and then the
 * empty folders of the snapshot. Entries that were changed or added after the
 * restore stay, and are listed in `plan.failed`.
 *
 * @throws {DeltarError} `not-found` if the snapshot was removed or a part of it
 * is missing, because only the snapshot lists the entries that the restore
 * wrote.
 */
export async function planFreshUndo(
  store: Store,
  onDisk: TargetDirectory,
  fresh: FreshRestore,
  { paths, signal }: FreshUndoOptions,
): Promise<FreshUndo> {
  const written = await writtenBy(store, fresh, signal);
  const search = new Search(onDisk, written, paths);
  await inTurns(search.run(), signal);
  const nothing: TargetState = {
    entries: [],
    above: new Set(),
    root: undefined,
  };
  const plan = await planSteps(onDisk, nothing, search.removal(), signal);
  plan.failed.push(...search.stays);
  plan.failed.sort((a, b) => comparePaths(a.path, b.path));
  return { plan, removesRoot: fresh.made && paths === undefined };
}

/** Returns the entries of the snapshot that the restore was meant to write. */
async function writtenBy(
  store: Store,
  { safety: { of }, from = "", paths }: FreshRestore,
  signal: AbortSignal | undefined,
): Promise<readonly TreeEntry[]> {
  try {
    const { record } = await store.record(of, { signal });
    const tree = (await store.tree(record, { signal })).below(from);
    const { root = record.root } = tree;
    return targetStateOf(tree, { ...record, root }, paths).entries;
  } catch (error) {
    if (!(error instanceof DeltarError) || error.code !== "not-found") {
      throw error;
    }
    throw new DeltarError(
      "not-found",
      "cannot undo the last restore: only the restored snapshot lists the " +
        "files that were written, but this snapshot was removed or has " +
        "missing objects. Bring a removed snapshot back with " +
        "`deltar undelete`, or delete the files yourself.",
      { object: of, cause: error },
    );
  }
}

/**
 * Finds the entries that a restore wrote, and the entries that were changed or
 * added after the restore.
 */
class Search {
  readonly stays: { path: string; error: DeltarError }[] = [];
  readonly #onDisk: TargetDirectory;
  readonly #written: ReadonlyMap<string, TreeEntry>;
  readonly #paths: readonly string[] | undefined;
  /**
   * The written paths that this disk might treat as the path of another written
   * entry, each with a key. All paths that might be treated as one path have
   * the same key. See `alikePaths`.
   */
  readonly #alike: ReadonlyMap<string, string>;
  /**
   * The paths of the existing entries that were compared so far, by their keys
   * in `#alike`.
   */
  readonly #firsts = new Map<string, string[]>();
  /**
   * The folders that were not written, because this disk treats the path of
   * each as the path of an earlier folder.
   */
  readonly #aliases = new Set<string>();
  readonly #going: { path: string; kind: FileStat["kind"] }[] = [];

  constructor(
    onDisk: TargetDirectory,
    written: readonly TreeEntry[],
    paths: readonly string[] | undefined,
  ) {
    this.#onDisk = onDisk;
    this.#written = new Map(written.map((entry) => [entry.path, entry]));
    this.#paths = paths;
    this.#alike = alikePaths(this.#written.keys());
  }

  /**
   * Compares each entry with the directory. Yields before each entry, and after
   * each part of a large file.
   */
  *run(): Generator<void, void> {
    const names = this.#namesByFolder();
    this.#findAdded("", names.get("") ?? []);
    for (const entry of this.#written.values()) {
      yield;
      const { path } = entry;
      const isAsked = this.#isAsked(path);
      try {
        const stat = this.#onDisk.at(path);
        if (stat === undefined || this.#isAlias(entry, stat)) continue;
        const { kind } = stat;
        if (kind === "directory" && entry.kind === "directory") {
          this.#findAdded(path, names.get(path) ?? []);
          if (isAsked) this.#going.push({ path, kind });
        } else if (isAsked) {
          if (!(yield* this.#isUnchanged(entry))) this.#stay(path, "changed");
          else this.#going.push({ path, kind });
        }
      } catch (error) {
        if (!isOfOnePath(error)) throw error;
        if (isAsked) this.stays.push({ path, error });
      }
    }
  }

  /** Returns the policy by which `planSteps` deletes the unchanged entries. */
  removal(): RemovalPolicy {
    return {
      removable: () => this.#going,
      mayEmptyFolders: false,
      whySpared: () => undefined,
    };
  }

  /**
   * Returns whether the disk treats the path of an entry, or of a folder above
   * it, as the path of an earlier entry. Only the earlier entry was restored.
   */
  #isAlias({ path, kind }: TreeEntry, stat: FileStat): boolean {
    const folder = parentPath(path);
    const key = this.#alike.get(path);
    let isAlias = this.#aliases.has(folder);
    if (!isAlias && key !== undefined) {
      const firsts = this.#firsts.get(key) ?? [];
      this.#firsts.set(key, firsts);
      isAlias = firsts.some((first) => this.#isOneName(first, path, stat));
      firsts.push(path);
    }
    if (isAlias && kind === "directory") this.#aliases.add(path);
    return isAlias;
  }

  #isOneName(first: string, path: string, stat: FileStat): boolean {
    const other = this.#onDisk.at(first);
    if (other === undefined || !isSameFile(other, stat)) return false;
    // On a disk that distinguishes the two names, they can be hard links to one
    // file. In that case, the folder lists both names.
    const names = this.#onDisk.names(parentPath(path));
    return ![first, path].every((one) => names.includes(nameOf(one)));
  }

  #isAsked(path: string): boolean {
    return this.#paths?.some((asked) => isWithin(path, asked)) ?? true;
  }

  #namesByFolder(): Map<string, string[]> {
    const names = new Map<string, string[]>();
    for (const path of this.#written.keys()) {
      const slash = path.lastIndexOf("/");
      const folder = slash < 0 ? "" : path.slice(0, slash);
      const some = names.get(folder);
      if (some) some.push(path.slice(slash + 1));
      else names.set(folder, [path.slice(slash + 1)]);
    }
    return names;
  }

  /** Records the entries that were added to a folder after the restore. */
  #findAdded(folder: string, written: readonly string[]): void {
    const known = new Set(written);
    const found = this.#onDisk.names(folder);
    const there = new Set(found);
    // The disk can list a name in a different normalization or case, so names
    // are compared in their folded form.
    const respelled = new Set(
      written.filter((name) => !there.has(name)).map(foldName),
    );
    for (const name of found) {
      if (known.has(name) || respelled.has(foldName(name))) continue;
      const path = folder === "" ? name : `${folder}/${name}`;
      if (this.#isAsked(path)) this.#stay(path, "added");
    }
  }

  *#isUnchanged(entry: TreeEntry): Generator<void, boolean> {
    const { path, kind, target } = entry;
    const stat = this.#onDisk.at(path);
    if (kind === "symlink") {
      return stat?.kind === "symlink" && this.#onDisk.target(path) === target;
    }
    const file = kind === "hardlink" ? this.#written.get(target) : entry;
    if (file === undefined || file.kind !== stat?.kind) return false;
    if (isSpecial(file)) return isSameNumber(deviceOf(file), stat.rdev);
    if (file.kind !== "file" || stat.size !== file.size) return false;
    const { size, sha256, sparse } = file;
    if (sha256 === undefined) return false;
    return yield* this.#onDisk.hasContent(path, { size, sha256, sparse });
  }

  #stay(path: string, how: "changed" | "added"): void {
    const error = new DeltarError(
      how === "changed" ? "changed" : "exists",
      `not deleted, because the entry was ${how} after the restore`,
      { path },
    );
    this.stays.push({ path, error });
  }
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
