import {
  DataPacker,
  type PackedFacts,
  type StoredContent,
} from "../../archive/data_packer.ts";
import { DeltarError, isDamage } from "../../bytes/errors.ts";
import { existing } from "../../bytes/existing.ts";
import { toHex } from "../../bytes/hex.ts";
import { createSha256 } from "../../bytes/sha256.ts";
import { chunks } from "../../bytes/source.ts";
import { DiffIndex, pathOf } from "../../tree/diff_index.ts";
import { DirIndex, type IndexEntry } from "../../tree/dir_index.ts";
import { canHaveLinks, type Metadata, type Skipped } from "../../tree/entry.ts";
import type { EntrySink } from "../../tree/entry_list.ts";
import { indexTree } from "../../tree/index_tree.ts";
import { toMetadata } from "../../tree/index_steps.ts";
import { foldName } from "../../tree/name.ts";
import { comparePaths, foldersAbove, isWithin } from "../../tree/path.ts";
import { PickedWalker } from "../../tree/picked_walker.ts";
import { DiskProbe } from "../../tree/probe.ts";
import { Spelling } from "../../tree/spelling.ts";
import type { FileStat } from "../../tree/stat.ts";
import type { TargetDirectory } from "../../tree/target_directory.ts";
import type { ExpectedContent } from "../../tree/write_content.ts";
import { packingAgainst } from "../snapshot/delta_basis.ts";
import { ContentReader } from "../content/content.ts";
import { currentPathsOf } from "./current_path.ts";
import { Heirs } from "./heirs.ts";
import { idBehind } from "../format/names.ts";
import { changedLinesOf } from "../snapshot/merge_tree.ts";
import { parentOf } from "../snapshot/parent.ts";
import {
  type ReadRecord,
  type SafetyRecord,
  type SnapshotRecord,
  timeInRecord,
} from "../format/snapshot_record.ts";
import { machineOf, type Store } from "../store/store.ts";
import { RepositoryReader } from "../snapshot/repository_reader.ts";
import type { RestorePlan } from "./plan.ts";
import { SnapshotWriter } from "../snapshot/snapshot_writer.ts";
import {
  countSnapshot,
  EntryTally,
  ownersOf,
} from "../snapshot/snapshot_counts.ts";
import { Tree } from "../layers/tree.ts";
import type { TreeEntry } from "../layers/tree_layer.ts";
import { isEntry } from "../layers/tree_reader.ts";
import { changedLines } from "../layers/write_tree.ts";

/**
 * A safety snapshot, with the states of the saved entries and the checksums of
 * their contents.
 */
export interface Safety {
  /** The safety snapshot. */
  record: SnapshotRecord;
  /** The state of each path at the time when it was saved. */
  seen: ReadonlyMap<string, FileStat>;
  /** The size and SHA-256 of each saved content, by path. */
  contents: ReadonlyMap<string, ExpectedContent>;
  /**
   * The time at which the safety snapshot began, in milliseconds since 1970.
   */
  time: number;
}

/** Options for a safety snapshot. */
export interface SafetyOptions {
  /** The purpose of the safety snapshot, for its record. */
  purpose: SafetyRecord;
  /** The label that is shown to the user. */
  label: string;
  /** The mode, time and owner of the directory itself before the restore. */
  root: Metadata;
  /**
   * A snapshot and its tree. The safety snapshot does not store again what this
   * snapshot contains. `undefined` if there is no such snapshot.
   */
  basis: (ReadRecord & { tree: Tree }) | undefined;
  /**
   * The id after which the id of the safety snapshot must sort; `undefined` if
   * any id is allowed.
   */
  after: string | undefined;
  /** Called with each path that could not be saved. */
  onSkip: (skipped: Skipped) => void;
  /**
   * The signal that ends the work with an error of code `aborted`. In this
   * case, no snapshot is stored.
   */
  signal?: AbortSignal;
}

/**
 * Saves everything that an undo of a plan needs: the existing entries that the
 * plan changes or deletes, with their content, and a list of the paths that the
 * plan creates. Every file is read. Content that the basis already has is read
 * back from the repository, and stored again if it is missing or damaged there.
 */
export async function takeSafety(
  store: Store,
  onDisk: TargetDirectory,
  plan: RestorePlan,
  options: SafetyOptions,
): Promise<Safety> {
  const paths = pathsToSave(onDisk, plan);
  const tree = options.basis?.tree ?? Tree.empty();
  try {
    return await save(store, onDisk, plan, paths, tree, options);
  } catch (error) {
    if (!(error instanceof NotReadable)) throw error;
    const none = Tree.empty();
    return await save(store, onDisk, plan, paths, none, options);
  }
}

/** Thrown if the stored content of an entry is missing or damaged. */
class NotReadable extends Error {}

async function save(
  store: Store,
  onDisk: TargetDirectory,
  plan: RestorePlan,
  paths: string[],
  basis: Tree,
  options: SafetyOptions,
): Promise<Safety> {
  const { purpose, label, root, signal } = options;
  const started = Date.now();
  const id = `${idBehind(options.after, started, Math.random())}-safety`;
  await using writer = new SnapshotWriter(store, {
    id,
    parent: options.basis,
    signal,
  });
  const { storage } = writer;
  try {
    const packer = new DataPacker({
      writer: writer.volumes,
      ...packingAgainst(parentOf(basis), storage, {
        // The intent is stored while the old content is read. An error is
        // ignored here, because storing the first object throws it again.
        onChanged: () => writer.begin().catch(() => {}),
      }),
    });
    const reader = new RepositoryReader(packer, writer.signatures);
    const walker = new PickedWalker(onDisk.root, paths);
    const saved = new SavedEntries();
    const { skipped: unsaved } = await indexTree(walker, saved, reader, {
      previous: basis.index,
      onSkip: options.onSkip,
      signal,
    });
    const { entries, contents } = saved;
    const index = new DirIndex(entries);
    const diff = new DiffIndex(
      DiffIndex.compute(index, basis.index).changes
        .filter(({ change }) => change !== "deleted"),
      root,
    );
    const objects = await writer.closeVolumes();
    const lines = changedLinesOf(
      diff.changes.map((change) => [change, contents.get(pathOf(change))]),
      parentOf(basis),
      reader.signatures,
    );
    const tree = new Map<string, TreeEntry>();
    for await (const some of lines) {
      for (const line of some) if (isEntry(line)) tree.set(line.path, line);
    }
    for (const { path, xattrs } of entries) {
      if (tree.has(path)) continue;
      const before = existing(basis.byPath, path);
      // The basis might have been stored without reading extended attributes,
      // so the attributes that have just been read are added.
      const isKnown = xattrs === undefined || before.xattrs !== undefined;
      tree.set(path, isKnown ? before : { ...before, xattrs });
    }
    for (const [path, entry] of tree) {
      if (!contents.has(path)) await readBack(entry, storage, signal);
    }
    const current = currentPathsOf(plan.steps);
    const absent = plan.steps.filter(({ action }) => action === "create")
      .map(({ path }): Skipped => ({ path: current(path), reason: "absent" }));
    const skipped = [...unsaved, ...absent];
    const layers = await writer.writeTree({
      layers: [],
      skippedBefore: [],
      changed: changedLines(tree),
      size: tree.size,
      objects: [...basis.objects.values(), ...objects],
      skipped,
    });
    const tally = new EntryTally();
    for (const entry of entries) tally.add(entry);
    const record: SnapshotRecord = {
      id,
      time: timeInRecord(id, started),
      // The difference is negative if the clock was set back during the run.
      duration: Math.max(0, Date.now() - started),
      directory: onDisk.root,
      ...machineOf(store),
      root: toMetadata(root),
      ...ownersOf(tally, root),
      label,
      layers,
      counts: countSnapshot(tally, diff.counts, skipped, writer.stored),
      safety: purpose,
    };
    await writer.commit(record);
    const saves = new Map<string, ExpectedContent>();
    for (const entry of entries) {
      const { kind, path, target } = entry;
      const content = kind === "hardlink" ? saves.get(target) : entry;
      if (content?.sha256 !== undefined) saves.set(path, content);
    }
    return { record, seen: walker.seen, contents: saves, time: started };
  } catch (error) {
    await writer.abort(error);
    throw error;
  }
}

/** Collects entries and the stored form of their content. */
class SavedEntries implements EntrySink<PackedFacts> {
  readonly entries: IndexEntry[] = [];
  readonly contents = new Map<string, StoredContent>();

  add(
    entry: IndexEntry,
    _place: number,
    _isOther: boolean,
    facts: PackedFacts | undefined,
  ): void {
    this.entries.push(entry);
    if (facts?.stored) this.contents.set(entry.path, facts.stored);
  }
}

/**
 * Returns the paths to save: the paths that a plan changes, the folders above
 * these paths, and the other hard links to changed entries. The folders are
 * included because a change in a folder also changes the time of the folder.
 */
function pathsToSave(
  onDisk: TargetDirectory,
  { steps }: RestorePlan,
): string[] {
  const current = currentPathsOf(steps);
  const there = steps.filter(({ was }) => was !== undefined)
    .map(({ path }) => current(path));
  const paths = new Set(there);
  const changed = steps.map(({ path }) => current(path)).sort(comparePaths);
  const isFolder = (path: string) => onDisk.at(path)?.kind === "directory";
  for (const folder of foldersAbove(changed, isFolder)) paths.add(folder);
  const others = otherNames(onDisk, there);
  if (others.length > 0) addListed(paths, others, onDisk);
  return [...paths].sort(comparePaths);
}

/**
 * Adds paths and the folders above them to a set. If the disk treats a path as
 * one that the set already has in another spelling, the path is not added.
 *
 * @param paths The set.
 * @param listed The paths to add, spelled as the directory lists them.
 * @param onDisk The directory.
 */
function addListed(
  paths: Set<string>,
  listed: readonly string[],
  onDisk: TargetDirectory,
): void {
  const probe = new DiskProbe((path) => onDisk.place(path));
  const spelling = new Spelling(onDisk, probe);
  const known = Map.groupBy(paths, foldName);
  for (const path of listed) {
    let at = "";
    for (const name of path.split("/")) {
      const next = at === "" ? name : `${at}/${name}`;
      at = known.get(foldName(next))?.find((other) =>
        spelling.isOneName(other, next)
      ) ?? next;
      if (paths.has(at)) {
        continue;
      }
      paths.add(at);
      const key = foldName(at);
      known.set(key, [...known.get(key) ?? [], at]);
    }
  }
}

/**
 * Returns all paths in the directory that are hard links to the same file,
 * named pipe or device as one of `paths`.
 */
function otherNames(
  onDisk: TargetDirectory,
  paths: readonly string[],
): string[] {
  const inodes = new Set<string>();
  for (const path of paths) {
    const stat = onDisk.at(path);
    if (stat !== undefined && canHaveLinks(stat.kind) && stat.links > 1) {
      inodes.add(`${stat.device}:${stat.inode}`);
    }
  }
  if (inodes.size === 0) return [];
  return [...onDisk.below("")].flatMap(({ path, stat }) =>
    inodes.has(`${stat.device}:${stat.inode}`) ? [path] : []
  );
}

/**
 * Checks that the stored content of an entry can be read and matches its
 * SHA-256. Throws `NotReadable` if the content is missing or damaged.
 */
async function readBack(
  entry: TreeEntry,
  storage: Store["storage"],
  signal: AbortSignal | undefined,
): Promise<void> {
  if (entry.kind !== "file") return;
  const sum = createSha256();
  try {
    const content = await new ContentReader(storage).read(entry, { signal });
    for await (const part of chunks(content)) sum.update(part);
  } catch (error) {
    if (isDamage(error)) throw new NotReadable();
    throw error;
  }
  if (toHex(sum.digest()) !== entry.sha256) throw new NotReadable();
}

/**
 * Removes from a plan the steps that must not be carried out because a path
 * could not be saved, and adds the failures to the plan.
 *
 * @param plan The plan. It is modified.
 * @param path The path that could not be saved.
 * @param error The error that occurred while the path was being saved.
 */
export function withhold(
  plan: RestorePlan,
  path: string,
  error: DeltarError,
): void {
  const current = currentPathsOf(plan.steps);
  const isNamed = plan.failed.some((other) => other.path === path);
  if (!isNamed) plan.failed.push({ path, error });
  const heirs = new Heirs();
  /** The path of a folder whose replacement is not carried out. */
  let whole: string | undefined;
  plan.steps = plan.steps.flatMap((step) => {
    const at = current(step.path);
    const kept = step.entry === undefined
      ? step
      : { ...step, entry: heirs.of(step.entry) };
    const { entry } = kept;
    const inWay = step.was === "directory" &&
      (step.action === "replace" || step.action === "delete") &&
      isWithin(path, at);
    const linked = entry?.kind === "hardlink" &&
      current(entry.target) === path;
    const stays = inWay || linked || isWithin(at, path) ||
      whole !== undefined && isWithin(step.path, whole);
    if (!stays) return entry === step.entry ? [step] : [kept];
    if (inWay && step.action === "replace") whole = step.path;
    if (entry !== undefined) heirs.lose(entry);
    if (at !== path) {
      const words = `left unchanged, because ${path} could not be saved first`;
      const fault = new DeltarError(error.code, words, { path: step.path });
      plan.failed.push({ path: step.path, error: fault });
    }
    return [];
  });
}
