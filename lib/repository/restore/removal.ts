import { collect } from "../../bytes/source.ts";
import { DeltarError, isDamage } from "../../bytes/errors.ts";
import type { Skipped } from "../../tree/entry.ts";
import {
  DEFAULT_IGNORE_FILE,
  type IgnoreOptions,
  IgnoreRules,
} from "../../tree/ignore_rules.ts";
import { foldName } from "../../tree/name.ts";
import { isWithin, parentPath } from "../../tree/path.ts";
import type { FileStat } from "../../tree/stat.ts";
import type { TargetDirectory } from "../../tree/target_directory.ts";
import { Walker } from "../../tree/walker.ts";
import { checkedStream, ContentReader } from "../content/content.ts";
import type { Store } from "../store/store.ts";
import type { RestoreLeft } from "./plan.ts";
import type { SnapshotRecord } from "../format/snapshot_record.ts";
import type { Tree } from "../layers/tree.ts";

/** A policy that decides which paths of a target may be deleted. */
export interface RemovalPolicy {
  /**
   * Whether a folder that is in the way of a file or link may be deleted with
   * its content.
   */
  readonly mayEmptyFolders: boolean;
  /** Yields the paths that may be deleted, in path order. */
  removable(): Iterable<{ path: string; kind: FileStat["kind"] }>;
  /**
   * Returns why an entry must be kept although its folder is in the way of a
   * file or link; `undefined` if the entry may be deleted.
   *
   * @param path The path below the target.
   * @param kind The kind of the entry.
   * @param isOneName Called with another path. Returns whether the disk treats
   * both paths as one name.
   */
  whySpared(
    path: string,
    kind: FileStat["kind"],
    isOneName: (other: string) => boolean,
  ): string | undefined;
}

/** Options for choosing the paths that a restore may delete. */
export interface RemovalOptions {
  /** Whether to delete paths that the snapshot does not have. */
  delete: boolean;
  /**
   * The files and folders to which deletions are limited. Default: the whole
   * target.
   */
  paths?: readonly string[];
  /** The absolute paths of files and folders that are never deleted. */
  neverTouch: readonly string[];
  /**
   * Called for each path that is kept although the snapshot does not have it,
   * with the path and the reason.
   */
  onLeft: (left: RestoreLeft) => void;
}

/**
 * Returns the policy of a restore: a path that is missing from the snapshot may
 * be deleted only if the snapshot shows that the path did not exist. Paths that
 * the present rules or the snapshot's rules exclude are kept. So are paths that
 * could not be stored.
 *
 * @throws {DeltarError} `unsupported` if `delete` is `true` and the snapshot
 * does not record its exclude rules; the errors of reading the snapshot's
 * ignore files.
 */
export async function removalFor(
  store: Store,
  onDisk: TargetDirectory,
  tree: Tree,
  record: SnapshotRecord,
  options: RemovalOptions,
): Promise<RemovalPolicy> {
  if (options.delete && record.rules === undefined) {
    throw new DeltarError(
      "unsupported",
      "the snapshot does not record its exclude rules, so nothing can be " +
        "deleted; restore without `delete`",
      { object: record.id },
    );
  }
  const rules: IgnoreOptions = record.rules ?? { excludes: [] };
  const texts = onDisk.isVacant
    ? new Map<string, string>()
    : await ignoreFiles(store, tree, rules, options.delete);
  return new RemovalByRules(onDisk, tree, rules, texts, options);
}

/**
 * Returns the policy of an undo or redo: only the paths in `gone` may be
 * deleted.
 */
export function removalOf(
  onDisk: TargetDirectory,
  gone: ReadonlySet<string>,
): RemovalPolicy {
  return new RemovalOfPaths(onDisk, gone);
}

class RemovalByRules implements RemovalPolicy {
  readonly mayEmptyFolders: boolean;
  readonly #onDisk: TargetDirectory;
  readonly #tree: Tree;
  readonly #rules: IgnoreOptions;
  readonly #options: RemovalOptions;
  /** The rules at the time of the snapshot. */
  readonly #snapshotRules: SnapshotRules;
  /** The paths that the snapshot skipped or excluded. */
  readonly #skipped: ReadonlyMap<string, Skipped>;
  #walker: Walker | undefined;

  constructor(
    onDisk: TargetDirectory,
    tree: Tree,
    rules: IgnoreOptions,
    texts: ReadonlyMap<string, string>,
    options: RemovalOptions,
  ) {
    this.mayEmptyFolders = options.delete;
    this.#onDisk = onDisk;
    this.#tree = tree;
    this.#rules = rules;
    this.#options = options;
    this.#snapshotRules = new SnapshotRules(onDisk.root, rules, tree, texts);
    this.#skipped = new Map(tree.skipped.map((skip) => [skip.path, skip]));
  }

  *removable(): Iterable<{ path: string; kind: FileStat["kind"] }> {
    if (!this.#options.delete || this.#onDisk.isVacant) return;
    // An ignore file that cannot be read might exclude any path in its folder,
    // so all of these paths are kept.
    const unruled = new Map<string, string>();
    const onSkip = (skip: Skipped) => {
      const folder = folderOfRules(skip, this.#rules);
      if (folder !== undefined) unruled.set(folder, reasonOf(skip));
      if (this.#isNew(skip.path)) this.#leave(skip.path, reasonOf(skip));
    };
    for (const { path, kind } of this.#present().entries({ onSkip })) {
      if (!this.#isNew(path)) continue;
      // For a hard link, the kind of the entry that it links to is used: a
      // file, a named pipe or a device.
      const found = kind === "hardlink"
        ? this.#onDisk.at(path)?.kind ?? "file"
        : kind;
      const why = this.#whyLeftOut(path, found) ?? unruledAt(path, unruled);
      if (why === undefined) yield { path, kind: found };
      else this.#leave(path, why);
    }
  }

  whySpared(path: string, kind: FileStat["kind"]): string | undefined {
    const present = this.#present();
    if (present.isUntouched(path)) return "deltar writes here";
    return this.#whyLeftOut(path, kind) ?? present.whyExcluded(path);
  }

  /**
   * Returns the walker of the target. The walker has the options of the
   * snapshot's rules, but reads the ignore files that are in the target now.
   */
  #present(): Walker {
    const { neverTouch } = this.#options;
    return this.#walker ??= new Walker(this.#onDisk.root, {
      ...this.#rules,
      neverTouch,
    });
  }

  /**
   * Returns whether a path is not in the snapshot and is selected by the option
   * `paths`.
   */
  #isNew(path: string): boolean {
    const isChosen =
      this.#options.paths?.some((chosen) => isWithin(path, chosen)) ?? true;
    return isChosen && !this.#tree.byPath.has(path);
  }

  /**
   * Returns the reason why the snapshot would not contain a path even if the
   * path had existed at that time: the snapshot skipped or excluded the path or
   * a folder above it, or the snapshot's rules exclude the path. Returns
   * `undefined` if the snapshot would contain the path.
   */
  #whyLeftOut(path: string, kind: FileStat["kind"]): string | undefined {
    for (let at = path; at !== ""; at = parentPath(at)) {
      const skip = this.#skipped.get(at);
      if (skip !== undefined) return reasonOf(skip);
    }
    return this.#snapshotRules.match(path, kind === "directory");
  }

  #leave(path: string, why: string): void {
    this.#options.onLeft({ path, why });
  }
}

class RemovalOfPaths implements RemovalPolicy {
  readonly mayEmptyFolders = true;
  readonly #onDisk: TargetDirectory;
  readonly #gone: ReadonlySet<string>;
  /** The paths in `#gone`, grouped by their folded form. */
  #folded: Map<string, string[]> | undefined;

  constructor(onDisk: TargetDirectory, gone: ReadonlySet<string>) {
    this.#onDisk = onDisk;
    this.#gone = gone;
  }

  *removable(): Iterable<{ path: string; kind: FileStat["kind"] }> {
    for (const path of this.#gone) {
      const stat = this.#onDisk.at(path);
      if (stat !== undefined) yield { path, kind: stat.kind };
    }
  }

  whySpared(
    path: string,
    _kind: FileStat["kind"],
    isOneName: (other: string) => boolean,
  ): string | undefined {
    if (this.#gone.has(path)) return undefined;
    this.#folded ??= Map.groupBy(this.#gone, foldName);
    const isGone = this.#folded.get(foldName(path))?.some(isOneName);
    return isGone ? undefined : "created later";
  }
}

function reasonOf({ reason, detail }: Skipped): string {
  return detail ?? reason;
}

/**
 * Returns the folder that an ignore file applies to, if the file could not be
 * read; `undefined` for all other skipped paths.
 */
function folderOfRules(
  { path, reason }: Skipped,
  { ignoreFile = DEFAULT_IGNORE_FILE }: IgnoreOptions,
): string | undefined {
  if (reason !== "unreadable") return undefined;
  const names = [".git/info/exclude", ".gitignore", ignoreFile];
  const name = names.find((name) => name && `/${path}`.endsWith(`/${name}`));
  if (!name) return undefined;
  return path.slice(0, -name.length).replace(/\/$/, "");
}

/**
 * Returns the reason for keeping a path if an ignore file in a folder above the
 * path could not be read; otherwise `undefined`.
 */
function unruledAt(
  path: string,
  unruled: ReadonlyMap<string, string>,
): string | undefined {
  if (unruled.size === 0) return undefined;
  for (let at = path; at !== "";) {
    at = parentPath(at);
    const why = unruled.get(at);
    if (why !== undefined) return why;
  }
  return undefined;
}

/**
 * The rules at the time of a snapshot, from its record and the ignore files in
 * it.
 */
class SnapshotRules {
  readonly #tree: Tree;
  readonly #texts: ReadonlyMap<string, string>;
  readonly #first: IgnoreRules;
  readonly #inside = new Map<string, IgnoreRules>();

  constructor(
    root: string,
    options: IgnoreOptions,
    tree: Tree,
    texts: ReadonlyMap<string, string>,
  ) {
    this.#tree = tree;
    this.#texts = texts;
    this.#first = IgnoreRules.forRoot(root, options);
  }

  /**
   * Returns the rule that excludes a path or a folder above it; `undefined` if
   * no rule does.
   */
  match(path: string, isDirectory: boolean): string | undefined {
    const folder = parentPath(path);
    if (folder !== "") {
      const above = this.match(folder, true);
      if (above !== undefined) return above;
    }
    return this.#rulesIn(folder).match(path, isDirectory);
  }

  #rulesIn(folder: string): IgnoreRules {
    let rules = this.#inside.get(folder);
    if (rules === undefined) {
      const above = folder === ""
        ? this.#first
        : this.#rulesIn(parentPath(folder));
      const at = folder === "" ? "" : `${folder}/`;
      rules = above.enter(folder, {
        has: (name) => this.#tree.byPath.has(at + name),
        text: (name) => this.#texts.get(at + name),
        // A folder with a cache tag counts as a cache, and the tag is not read.
        // If the tag is invalid, more paths are kept than necessary.
        isCache: () => true,
      });
      this.#inside.set(folder, rules);
    }
    return rules;
  }
}

/**
 * Returns the texts of the ignore files in a snapshot, by path.
 *
 * @param all Whether a damaged ignore file is an error. Otherwise the file is
 * omitted.
 */
async function ignoreFiles(
  { storage }: Store,
  tree: Tree,
  { ignoreFile = DEFAULT_IGNORE_FILE, gitignore }: IgnoreOptions,
  all: boolean,
): Promise<Map<string, string>> {
  const texts = new Map<string, string>();
  const reader = new ContentReader(storage);
  for (const entry of tree.entries) {
    const { path, kind } = entry;
    if (kind !== "file") continue;
    const name = path.slice(path.lastIndexOf("/") + 1);
    const rules = name === ignoreFile ||
      gitignore &&
        (name === ".gitignore" || path.endsWith(".git/info/exclude"));
    if (!rules) continue;
    try {
      const stream = checkedStream(entry, () => reader.read(entry));
      texts.set(path, new TextDecoder().decode(await collect(stream)));
    } catch (error) {
      // Without the rules in this file, there is no way to decide which paths
      // may be deleted.
      if (all || !isDamage(error)) throw error;
    }
  }
  return texts;
}
