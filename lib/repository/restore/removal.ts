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
import type { Survey } from "../../tree/survey.ts";
import { Walker } from "../../tree/walker.ts";
import { checkedStream, ContentReader } from "../content/content.ts";
import type { Store } from "../store/store.ts";
import type { RestoreLeft } from "./plan.ts";
import type { SnapshotRecord } from "../format/snapshot_record.ts";
import type { Tree } from "../layers/tree.ts";

/** The paths that may be removed from the target. */
export interface Removal {
  /**
   * Yields the paths to remove, in path order, but not what is in an entry's
   * way.
   */
  extra: () => Iterable<{ path: string; kind: FileStat["kind"] }>;
  /** Whether the content of a folder may go that is in the way of a file. */
  fromFolders: boolean;
  /**
   * Returns why something must stay although it is in the way or below a folder
   * that goes; `undefined` if it may go. `isOneName` tells whether the disk
   * takes another path for the same.
   */
  spared: (
    path: string,
    kind: FileStat["kind"],
    isOneName: (other: string) => boolean,
  ) => string | undefined;
}

/** Options for what a restore may remove. */
export interface RemovalOptions {
  /** Whether to remove what the snapshot lacks. */
  delete: boolean;
  /** Only below these paths. Default: everywhere. */
  paths?: readonly string[];
  /** Files and folders of the operating system that are never touched. */
  apart: readonly string[];
  /** Called with each path that stays although the snapshot lacks it. */
  onLeft: (left: RestoreLeft) => void;
}

/**
 * Returns the paths that may be removed for a snapshot: only those that the
 * snapshot would hold if they had existed. What its rules exclude stays, by the
 * rules of now and of then, and so does what it found and could not store.
 */
export async function removalFor(
  store: Store,
  survey: Survey,
  tree: Tree,
  record: SnapshotRecord,
  options: RemovalOptions,
): Promise<Removal> {
  if (options.delete && record.rules === undefined) {
    throw new DeltarError(
      "unsupported",
      "this snapshot does not say what it left out, so nothing can be deleted",
      { object: record.id },
    );
  }
  const rules: IgnoreOptions = record.rules ?? { excludes: [] };
  const then = new RulesThen(
    survey.root,
    rules,
    tree,
    survey.isVacant
      ? new Map()
      : await ignoreFiles(store, tree, rules, options.delete),
  );
  const skipped = new Map(tree.skipped.map((skip) => [skip.path, skip]));
  let walker: Walker | undefined;
  const now = () => {
    walker ??= new Walker(survey.root, { ...rules, apart: options.apart });
    return walker;
  };
  const sparedThen = (path: string, kind: FileStat["kind"]) => {
    for (let at = path; at !== ""; at = parentPath(at)) {
      const skip = skipped.get(at);
      if (skip !== undefined) return reasonOf(skip);
    }
    return then.match(path, kind === "directory");
  };
  const isChosen = (path: string) =>
    options.paths?.some((chosen) => isWithin(path, chosen)) ?? true;
  return {
    extra: function* () {
      if (!options.delete || survey.isVacant) return;
      // Where rules are that cannot be read, they may spare anything.
      const unruled = new Map<string, string>();
      const onSkip = (skip: Skipped) => {
        const folder = folderOfRules(skip, rules);
        if (folder !== undefined) unruled.set(folder, reasonOf(skip));
        if (isChosen(skip.path) && !tree.byPath.has(skip.path)) {
          options.onLeft({ path: skip.path, why: reasonOf(skip) });
        }
      };
      for (const { path, kind } of now().entries({ onSkip })) {
        if (!isChosen(path) || tree.byPath.has(path)) continue;
        const found = kind === "hardlink" ? "file" : kind;
        const why = sparedThen(path, found) ?? unruledAt(path, unruled);
        if (why === undefined) yield { path, kind: found };
        else options.onLeft({ path, why });
      }
    },
    fromFolders: options.delete,
    spared: (path, kind) =>
      now().isApart(path)
        ? "deltar writes here"
        : sparedThen(path, kind) ?? now().whyExcluded(path),
  };
}

/** Returns the removal of given paths. */
export function removalOf(survey: Survey, gone: ReadonlySet<string>): Removal {
  let groups: Map<string, string[]> | undefined;
  const folded = () => groups ??= Map.groupBy(gone, foldName);
  return {
    extra: function* () {
      for (const path of gone) {
        const stat = survey.at(path);
        if (stat !== undefined) yield { path, kind: stat.kind };
      }
    },
    fromFolders: true,
    spared: (path, _, isOneName) =>
      gone.has(path) || folded().get(foldName(path))?.some(isOneName)
        ? undefined
        : "it came after the restore",
  };
}

function reasonOf({ reason, detail }: Skipped): string {
  return detail ?? reason;
}

/** The folder of a file with rules, if that is what could not be read. */
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

/** Why what lies in such a folder stays. */
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

/** The rules that held when a snapshot was taken, from the files it has. */
class RulesThen {
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

  /** The rule that leaves a path out, itself or with a folder above it. */
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
      rules = above.enter(
        folder,
        (name) => this.#tree.byPath.has(at + name),
        (name) => this.#texts.get(at + name),
      );
      this.#inside.set(folder, rules);
    }
    return rules;
  }
}

/** The texts of the ignore files that a snapshot has, by path. */
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
      // Without its rules nobody can tell what may be deleted.
      if (all || !isDamage(error)) throw error;
    }
  }
  return texts;
}
