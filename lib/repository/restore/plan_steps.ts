import { checkAborted } from "../../bytes/abort.ts";
import { DeltarError } from "../../bytes/errors.ts";
import { isSameTime } from "../../tree/change_finder.ts";
import type { Metadata } from "../../tree/entry.ts";
import { comparePaths, isWithin, parentPath } from "../../tree/path.ts";
import type { FileStat } from "../../tree/stat.ts";
import type { Survey } from "../../tree/survey.ts";
import { ownerMatters } from "../../tree/tree_writer.ts";
import type { TreeEntry } from "../layers/tree_layer.ts";
import type { RestoreLeft, RestorePlan, RestoreStep } from "./restore_plan.ts";
import type { Removal } from "./restore_removal.ts";
import type { Wanted } from "./restore_wanted.ts";

/** Compares what is wanted with what is there. */
export function planSteps(
  survey: Survey,
  wanted: Wanted,
  removal: Removal,
  signal?: AbortSignal,
): RestorePlan {
  const planner = new Planner(survey, wanted, removal);
  for (const entry of wanted.entries) {
    checkAborted(signal);
    planner.entry(entry);
  }
  planner.removeExtra();
  return planner.finish();
}

class Planner {
  readonly #survey: Survey;
  readonly #wanted: Wanted;
  readonly #removal: Removal;
  readonly #steps: RestoreStep[] = [];
  readonly #removed = new Set<string>();
  readonly #failed = new Map<string, Error>();
  readonly #left: RestoreLeft[] = [];
  /** The file that a snapshot has for an inode of several names. */
  readonly #claimed = new Map<string, string>();
  /** How many names of a group are there, by the first name. */
  readonly #groups: ReadonlyMap<string, readonly string[]>;
  /** Files that get a new inode, so that their other names are made anew. */
  readonly #renewed = new Set<string>();
  #blocked: string | undefined;
  #kept = 0;
  #bytes = 0;

  constructor(survey: Survey, wanted: Wanted, removal: Removal) {
    this.#survey = survey;
    this.#wanted = wanted;
    this.#removal = removal;
    const groups = new Map<string, string[]>();
    for (const { kind, path, target } of wanted.entries) {
      if (kind !== "hardlink") continue;
      const group = groups.get(target!);
      if (group) group.push(path);
      else groups.set(target!, [path]);
    }
    this.#groups = groups;
  }

  /** Decides what to do for one entry of the snapshot. */
  entry(entry: TreeEntry): void {
    const { path } = entry;
    if (this.#blocked !== undefined && isWithin(path, this.#blocked)) {
      return this.#fail(path, `${this.#blocked} is in the way`);
    }
    try {
      this.#compare(entry, this.#survey.at(path));
    } catch (error) {
      if (!(error instanceof DeltarError)) throw error;
      this.#failed.set(path, error);
      if (entry.kind === "directory") this.#blocked = path;
    }
  }

  /** Plans the removal of what the snapshot lacks. */
  removeExtra(): void {
    const extra = [...this.#removal.extra()].filter(({ path }) =>
      !this.#removed.has(path) && !this.#isInFailed(path)
    );
    const going = new Map(extra.map(({ path, kind }) => [path, kind]));
    for (const [path, kind] of [...going].reverse()) {
      if (kind === "directory") {
        const stays = this.#survey.names(path).find((name) =>
          !going.has(`${path}/${name}`)
        );
        if (stays !== undefined) {
          going.delete(path);
          this.#left.push({ path, why: `${path}/${stays} stays` });
        }
      }
    }
    for (const [path, kind] of going) this.#remove(path, kind);
  }

  /** Whether a folder above is in the way and stays. */
  #isInFailed(path: string): boolean {
    if (this.#failed.size === 0) return false;
    for (let at = path; at !== ""; at = parentPath(at)) {
      if (this.#failed.has(at)) return true;
    }
    return false;
  }

  finish(): RestorePlan {
    const { root } = this.#wanted;
    const now = this.#survey.at("");
    const order = (a: { path: string }, b: { path: string }) =>
      comparePaths(a.path, b.path);
    return {
      target: this.#survey.root,
      steps: this.#steps.sort(order),
      kept: this.#kept,
      left: this.#left.sort(order),
      failed: [...this.#failed].map(([path, error]) => ({ path, error })),
      bytes: this.#bytes,
      touchesRoot: root !== undefined &&
        (now === undefined || !isSameMetadata(root, now)),
    };
  }

  #compare(entry: TreeEntry, stat: FileStat | undefined): void {
    const { path, kind, target } = entry;
    if (stat === undefined) return this.#add("create", entry);
    const found = stat.kind;
    if (found === "special") {
      throw new DeltarError(
        "exists",
        "a socket, pipe or device is in the way; remove it and restore again",
        { path },
      );
    }
    if (found !== (kind === "hardlink" ? "file" : kind)) {
      return this.#exchange(entry, found);
    }
    if (kind === "hardlink") return this.#compareLink(entry, stat);
    if (kind === "directory") {
      const isGood = this.#wanted.above.has(path) ||
        isSameMetadata(entry, stat);
      return isGood ? this.#keep() : this.#add("touch", entry, found);
    }
    const isSame = kind === "symlink"
      ? this.#survey.target(path) === target
      : !this.#isClaimed(entry, stat) && this.#hasContent(entry, stat);
    if (!isSame) return this.#add("replace", entry, found);
    if (isSameMetadata(entry, stat)) return this.#keep();
    // Other names of the file are not to be touched by its way.
    const alone = kind === "symlink" || stat.links === 1 ||
      stat.links === this.#namesFound(entry, stat);
    this.#add(alone ? "touch" : "replace", entry, found);
  }

  #compareLink(entry: TreeEntry, stat: FileStat): void {
    const { target } = entry;
    const first = this.#survey.at(target!);
    const isSame = !this.#renewed.has(target!) &&
      !this.#failed.has(target!) && first?.kind === "file" &&
      first.inode === stat.inode && first.device === stat.device;
    if (isSame) this.#keep();
    else this.#add("replace", entry, stat.kind);
  }

  /** Plans for something of another kind, which has to go first. */
  #exchange(entry: TreeEntry, found: FileStat["kind"]): void {
    const { path } = entry;
    if (this.#wanted.above.has(path)) {
      throw new DeltarError(
        "unsafe",
        `a ${found} is where a folder has to be`,
        {
          path,
        },
      );
    }
    if (found === "directory") {
      const inside = [...this.#survey.below(path)];
      for (const { path: at, stat } of inside) {
        const why = stat.kind === "special"
          ? "a socket, pipe or device"
          : this.#removal.spared(at, stat.kind);
        if (why !== undefined) {
          this.#left.push({ path: at, why });
          throw new DeltarError(
            "exists",
            `a folder is in the way, with ${at} in it, which must stay (${why})`,
            { path },
          );
        }
      }
      for (const { path: at, stat } of inside) this.#remove(at, stat.kind);
    }
    this.#add("replace", entry, found);
  }

  /** Whether another file of the snapshot has this inode already. */
  #isClaimed({ path }: TreeEntry, stat: FileStat): boolean {
    if (stat.links === 1) return false;
    const key = `${stat.device}:${stat.inode}`;
    const first = this.#claimed.get(key);
    if (first !== undefined) return true;
    this.#claimed.set(key, path);
    return false;
  }

  #hasContent({ path, size, sha256 }: TreeEntry, stat: FileStat): boolean {
    return stat.size === size && this.#survey.sha256(path, size) === sha256;
  }

  /** How many names of the entry's own group the file has. */
  #namesFound({ path }: TreeEntry, stat: FileStat): number {
    const others = this.#groups.get(path) ?? [];
    return 1 + others.filter((other) => {
      const found = this.#survey.at(other);
      return found?.inode === stat.inode && found.device === stat.device;
    }).length;
  }

  #add(
    action: RestoreStep["action"],
    entry: TreeEntry,
    was?: FileStat["kind"],
  ): void {
    if (entry.kind === "file" && action !== "touch") {
      this.#renewed.add(entry.path);
      this.#bytes += entry.size;
    }
    this.#steps.push({ path: entry.path, action, entry, ...(was && { was }) });
  }

  #remove(path: string, was: FileStat["kind"]): void {
    this.#removed.add(path);
    this.#steps.push({ path, action: "delete", was });
  }

  #keep(): void {
    this.#kept++;
  }

  #fail(path: string, what: string): void {
    this.#failed.set(path, new DeltarError("exists", what, { path }));
  }
}

/** Whether mode, time and owner are as wanted, as far as they can be set. */
function isSameMetadata(wanted: Metadata, stat: FileStat): boolean {
  return (stat.kind === "symlink" || wanted.mode === stat.mode) &&
    isSameTime(wanted.mtime, stat.mtime) &&
    (!ownerMatters() || wanted.uid === stat.uid && wanted.gid === stat.gid);
}
