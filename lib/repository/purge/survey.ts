import { DeltarError } from "../../bytes/errors.ts";
import { turnIfDue } from "../../bytes/turns.ts";
import type { Storage } from "../../storage/storage.ts";
import { untilAborted } from "../../storage/until_aborted.ts";
import { noteName, recordName, REMOVED } from "../format/names.ts";
import { pathFrom, placeOf } from "../format/place_of.ts";
import type { LayerRecord, SnapshotRecord } from "../format/snapshot_record.ts";
import { LayerReader } from "../layers/layer_reader.ts";
import type {
  LayerLine,
  StoredPiece,
  TreeEntry,
  TreeFileEntry,
} from "../layers/tree_layer.ts";
import { isEntry } from "../layers/tree_reader.ts";
import { canBeUndeleted, type RemovedSnapshot } from "../prune/removed.ts";
import type { RepositoryState } from "../prune/repository_state.ts";
import { ALWAYS, findUsage, type Rank } from "../prune/usage.ts";
import type { Store } from "../store/store.ts";
import { EntryTally } from "../snapshot/snapshot_counts.ts";
import type { PurgeOptions } from "./purge.ts";
import { PathSet } from "./path_set.ts";
import { visibleLines } from "./visible_lines.ts";
import { layerKey } from "../verify/family.ts";

/** A snapshot that a purge replaces. */
export interface Target {
  /** The record of the snapshot. */
  record: SnapshotRecord;
  /** The removal of the snapshot; `undefined` if it is not removed. */
  removed: RemovedSnapshot | undefined;
  /** The requested paths, relative to the root of the snapshot. */
  paths: PathSet;
  /** The requested paths that the snapshot contains. */
  found: Set<string>;
  /**
   * The paths of the other files that are purged from the snapshot because
   * their content is purged.
   */
  same: string[];
  /** The counts of the purged entries. */
  purged: EntryTally;
}

/** A snapshot that a purge can replace. */
type Candidate = Pick<Target, "record" | "removed">;

/** A kept file that has the same content as a purged file. */
export interface SameContent {
  /** The path of the file. */
  path: string;
  /** The path of a purged file with the same content. */
  sameAs: string;
  /** The id of a snapshot that has the file. Absent if unknown. */
  snapshot?: string;
}

/** The snapshots and files that a purge affects. */
export interface Survey {
  /** The snapshots to replace, the oldest first. */
  targets: Target[];
  /** The requested paths that no searched snapshot contains. */
  missing: string[];
  /** The kept files that have the same content as purged files. */
  others: SameContent[];
  /**
   * The purged contents, by SHA-256: the size in bytes, and the path of a
   * purged file with this content.
   */
  contents: Map<string, { size: number; path: string }>;
  /**
   * The files whose content is stored again because it depends on purged
   * content, by the key of their layer.
   */
  dependents: Map<string, TreeFileEntry[]>;
  /**
   * The keys of the layers that have purged content in files outside the
   * requested paths.
   */
  layersWithContents: Set<string>;
}

/** Returns the paths that a purge deletes from a snapshot. */
export function deletedPaths({ paths, found, same }: Target): string[] {
  return [...paths.list.filter((path) => found.has(path)), ...same];
}

/**
 * Finds the snapshots that contain the paths, the other files that have the
 * content of purged files, and the files that are stored as deltas of the
 * purged content.
 *
 * @param store The repository.
 * @param found The state of the repository.
 * @param paths The paths to purge.
 * @param options The options of the purge.
 * @throws {DeltarError} `unsupported` if a path is the whole directory of a
 * snapshot, if a hard link to a purged file is not purged, or if the option
 * `all` is set and a hard link is purged but its target is not; also the error
 * of a layer that cannot be read.
 */
export async function survey(
  store: Store,
  found: RepositoryState,
  paths: readonly string[],
  options: PurgeOptions,
): Promise<Survey> {
  const work = new SurveyWork(store, found, options);
  await work.findPaths(paths);
  await work.findUnfinished(paths);
  await work.findUses();
  if (options.all) {
    await work.addSame();
    await work.findUses();
  }
  work.addDependents();
  work.addSafety();
  const { missing, others, contents, dependents, layersWithContents } = work;
  const targets = [...work.targets.values()]
    .sort((a, b) => a.record.id < b.record.id ? -1 : 1);
  return {
    targets,
    missing,
    others,
    contents,
    dependents,
    layersWithContents,
  };
}

/**
 * Returns the names of the records of snapshots that contain any of the paths.
 *
 * @param store The repository.
 * @param found The records to search.
 * @param paths The paths to purge.
 * @param options The options of the purge.
 */
export async function recordsWithPaths(
  store: Store,
  found: Pick<RepositoryState, "records" | "removed">,
  paths: readonly string[],
  options: PurgeOptions,
): Promise<string[]> {
  const work = new SurveyWork(store, found, options);
  await work.findPaths(paths);
  return [...work.targets.values()].map(({ record: { id }, removed }) =>
    removed === undefined ? recordName(id) : noteName(REMOVED, id)
  );
}

/**
 * Converts a requested path into a path in a snapshot. Returns `undefined` if
 * the path is not in the snapshot's directory.
 *
 * @param record The snapshot.
 * @param path The requested path.
 * @param options The options of the purge, with the `place` that the path is
 * relative to.
 */
export function pathIn(
  record: SnapshotRecord,
  path: string,
  { place }: PurgeOptions,
): string | undefined {
  if (place === undefined) return path;
  return pathFrom(record, place, path);
}

class SurveyWork {
  readonly targets = new Map<string, Target>();
  missing: string[] = [];
  readonly contents: Survey["contents"] = new Map();
  readonly dependents: Survey["dependents"] = new Map();
  readonly layersWithContents = new Set<string>();
  others: SameContent[] = [];
  readonly #storage: Storage;
  readonly #store: Store;
  readonly #options: PurgeOptions;
  /** The snapshots that the purge can replace. */
  readonly #candidates: Candidate[];
  /** The snapshots that an unfinished purge has replaced. */
  readonly #replaced: { record: SnapshotRecord }[];
  /**
   * The key of the last piece of each purged file. If a kept file with other
   * content has one of these pieces, it is stored as a delta of purged content.
   */
  readonly #pieces = new Set<string>();
  /** The paths of the other files with purged content. */
  readonly #same = new Set<string>();
  /** The file entry that was last passed to `#addContent`. */
  #last: TreeEntry | undefined;
  /** The kept files to which purged hard links refer, by path. */
  readonly #linked = new Map<string, SameContent>();

  constructor(
    store: Store,
    found: Pick<RepositoryState, "records" | "removed">,
    options: PurgeOptions,
  ) {
    this.#store = store;
    this.#storage = untilAborted(store.storage, options.signal);
    this.#options = options;
    this.#candidates = candidatesIn(found);
    this.#replaced = replacedIn(found);
  }

  /** Finds the snapshots that have the requested paths. */
  async findPaths(paths: readonly string[]): Promise<void> {
    const { all, signal } = this.#options;
    const found = new Set<string>();
    const named = this.#named(this.#candidates);
    for (const group of groupsOf(named, paths, this.#options)) {
      const { own, requested, snapshots } = group;
      const [{ record }] = snapshots;
      if (own.includes("")) {
        throw new DeltarError(
          "unsupported",
          `the path is the whole directory of the snapshot ${record.id}; ` +
            "remove whole snapshots with `deltar forget`",
          { path: record.directory },
        );
      }
      let path = "";
      let around: string[] = [];
      const add = (candidate: Candidate, line: LayerLine) => {
        if (line.path !== path) {
          path = line.path;
          around = own.around(path);
          for (const one of around) found.add(requested.get(one) as string);
        }
        // The line may be a tombstone. Even then, the snapshot is a target,
        // because a lower layer may have an entry for the path.
        const target = this.#targetOf(candidate);
        target.paths = own;
        if (!isEntry(line)) return;
        for (const one of around) target.found.add(one);
        this.#addEntry(target, line);
        if (line.kind !== "hardlink" || own.includes(line.target)) return;
        if (all) throw furtherName(line.target, path);
        const { id } = target.record;
        const other = { path: line.target, sameAs: path, snapshot: id };
        this.#linked.set(line.target, other);
      };
      await visibleLines(this.#storage, snapshots, own, add, signal);
    }
    this.missing = paths.filter((path) => !found.has(path));
  }

  /** Returns the snapshots that the option `from` selects. */
  #named<T extends { record: SnapshotRecord }>(snapshots: readonly T[]): T[] {
    const { from } = this.#options;
    if (from === undefined) return [...snapshots];
    return snapshots.filter(({ record: { id } }) => from.includes(id));
  }

  /**
   * Returns the target for a snapshot. Adds a target if the snapshot has none.
   */
  #targetOf(candidate: Candidate): Target {
    const { id } = candidate.record;
    let target = this.targets.get(id);
    if (target === undefined) {
      target = {
        ...candidate,
        paths: NO_PATHS,
        found: new Set(),
        same: [],
        purged: new EntryTally(),
      };
      this.targets.set(id, target);
    }
    return target;
  }

  #addEntry(target: Target, entry: TreeEntry): void {
    target.purged.add(entry);
    this.#addContent(entry);
  }

  #addContent(entry: TreeEntry): void {
    // Many snapshots share an entry, so the same entry is often added several
    // times in a row.
    if (entry.kind !== "file" || entry === this.#last) return;
    this.#last = entry;
    if (entry.size > 0) {
      const { size, path } = entry;
      this.contents.set(entry.sha256, { size, path });
    }
    const last = entry.content.at(-1);
    if (last !== undefined) this.#pieces.add(keyOf(last));
  }

  /**
   * Adds the contents of the paths in snapshots that an unfinished purge has
   * replaced. Later snapshots may have deltas of these contents.
   */
  async findUnfinished(paths: readonly string[]): Promise<void> {
    const named = this.#named(this.#replaced);
    for (const group of groupsOf(named, paths, this.#options)) {
      const add = (_: unknown, line: LayerLine) => {
        if (isEntry(line)) this.#addContent(line);
      };
      const { snapshots, own } = group;
      const { signal } = this.#options;
      await visibleLines(this.#storage, snapshots, own, add, signal);
    }
  }

  /**
   * Reads all layers. Finds the files that have purged content and are kept,
   * and the files that depend on purged content.
   */
  async findUses(): Promise<void> {
    const { all = false, signal, onProgress } = this.#options;
    const { storage } = this.#store;
    const roots = this.#candidates.map(({ record: { id, layers } }) => ({
      layers,
      rank: this.targets.has(id) ? 0 : ALWAYS,
    }));
    const purgedIn = this.#pathsByLayer();
    const others = new Map<string, { layer: string; other: SameContent }>();
    const linkedTo = new Set(
      [...this.targets.values()].flatMap(({ same }) => same),
    );
    const staying = new Set<string>();
    const uses: { key: string; entry: TreeFileEntry }[] = [];
    const visit = (line: LayerLine, rank: Rank, layer: LayerRecord) => {
      const key = layerKey(layer);
      const paths = purgedIn.get(key) ?? [];
      const isPurged = (path: string) =>
        paths.some((one) => one.includes(path));
      const isNamed = isPurged(line.path);
      if (line.kind === "hardlink" && !isNamed) {
        if (isPurged(line.target) || linkedTo.has(line.target)) {
          throw furtherName(line.path, line.target);
        }
      }
      if (line.kind !== "file" || rank === 0 && isNamed) return;
      const same = this.contents.get(line.sha256);
      if (same !== undefined) {
        this.layersWithContents.add(key);
        this.#same.add(line.path);
        if (all && rank === 0) return;
        const other = { path: line.path, sameAs: same.path };
        others.set(line.path, { layer: key, other });
        for (const piece of line.content) staying.add(keyOf(piece));
      } else if (line.content.some((one) => this.#pieces.has(keyOf(one)))) {
        uses.push({ key, entry: line });
      }
    };
    // The layers that runs build on are ignored here. `scrub` keeps the objects
    // that runs need, and the next purge deletes them.
    await findUsage(roots, {
      read: (record) => new LayerReader(storage, record).parts({ signal }),
      onLayer: (done, all) => onProgress?.({ phase: "reading", done, all }),
      onLine: visit,
      signal,
    });
    this.dependents.clear();
    for (const { key, entry } of uses) {
      const turn = turnIfDue();
      if (turn !== undefined) await turn;
      const isGoing = (piece: StoredPiece) => {
        const name = keyOf(piece);
        return this.#pieces.has(name) && !staying.has(name);
      };
      if (!entry.content.some(isGoing)) continue;
      const known = this.dependents.get(key);
      if (known === undefined) this.dependents.set(key, [entry]);
      else known.push(entry);
    }
    this.others = [...this.#linked.values()];
    for (const { layer, other } of others.values()) {
      const by = this.#candidates.find(({ record: { id, layers } }) =>
        !(all && this.targets.has(id)) &&
        layers.some((one) => layerKey(one) === layer)
      );
      this.others.push({ ...other, ...by && { snapshot: by.record.id } });
    }
  }

  /**
   * Returns the sets of paths that are purged from each layer, by the key of
   * the layer. A set that several snapshots share is listed once.
   */
  #pathsByLayer(): Map<string, PathSet[]> {
    const paths = new Map<string, PathSet[]>();
    for (const target of this.targets.values()) {
      for (const layer of target.record.layers) {
        const key = layerKey(layer);
        const known = paths.get(key) ?? [];
        paths.set(key, known);
        if (!known.includes(target.paths)) known.push(target.paths);
      }
    }
    return paths;
  }

  /** Adds the other files with purged content to the files to purge. */
  async addSame(): Promise<void> {
    const { signal } = this.#options;
    const paths = new PathSet(this.#same);
    const exact = new Map(paths.list.map((path) => [path, path]));
    const add = (candidate: Candidate, line: LayerLine) => {
      const path = exact.get(line.path);
      if (path === undefined || line.kind !== "file") return;
      if (!this.contents.has(line.sha256)) return;
      const target = this.#targetOf(candidate);
      if (target.paths.includes(path)) return;
      target.same.push(path);
      this.#addEntry(target, line);
    };
    const named = this.#named(this.#candidates);
    await visibleLines(this.#storage, named, paths, add, signal);
  }

  /** Adds as targets the snapshots that contain files to be stored again. */
  addDependents(): void {
    for (const candidate of this.#candidates) {
      const { layers } = candidate.record;
      if (layers.some((layer) => this.dependents.has(layerKey(layer)))) {
        this.#targetOf(candidate);
      }
    }
  }

  /**
   * Adds as targets the safety snapshots that refer to a replaced safety
   * snapshot by its id, because `undo` follows these ids.
   */
  addSafety(): void {
    for (let before = -1; before < this.targets.size;) {
      before = this.targets.size;
      for (const candidate of this.#candidates) {
        const { of = "", continues = "" } = candidate.record.safety ?? {};
        const isOfSafety = this.targets.get(of)?.record.safety !== undefined;
        if (isOfSafety || this.targets.has(continues)) {
          this.#targetOf(candidate);
        }
      }
    }
  }
}

/**
 * The empty set of paths, for a snapshot that is replaced although it contains
 * no purged path.
 */
const NO_PATHS = new PathSet([]);

/**
 * Snapshots in which the requested paths are the same, relative to the root of
 * each snapshot.
 */
interface Group<T> {
  snapshots: T[];
  /** The requested paths, relative to the root of each snapshot. */
  own: PathSet;
  /**
   * The requested paths as the caller gave them, by the corresponding path in
   * `own`.
   */
  requested: Map<string, string>;
}

/**
 * Groups the snapshots of the same directory. Omits a snapshot if none of the
 * requested paths is in its directory.
 */
function groupsOf<T extends { record: SnapshotRecord }>(
  snapshots: readonly T[],
  paths: readonly string[],
  options: PurgeOptions,
): Group<T>[] {
  const groups = new Map<string, Group<T>>();
  for (const snapshot of snapshots) {
    const { record } = snapshot;
    const { common, rules } = record;
    const place = common === undefined ? undefined : rules?.paths;
    const key = JSON.stringify([placeOf(record), place]);
    let group = groups.get(key);
    if (group === undefined) {
      const requested = new Map<string, string>();
      for (const path of paths) {
        const own = pathIn(record, path, options);
        if (own !== undefined) requested.set(own, path);
      }
      const own = new PathSet(requested.keys());
      group = { snapshots: [], own, requested };
      groups.set(key, group);
    }
    group.snapshots.push(snapshot);
  }
  return [...groups.values()].filter(({ own }) => own.list.length > 0);
}

/** Returns the snapshots that a purge can replace, the oldest first. */
export function candidatesIn(
  found: Pick<RepositoryState, "records" | "removed">,
): Candidate[] {
  return [
    ...found.records.map((record) => ({ record, removed: undefined })),
    ...found.removed.flatMap((removed) =>
      removed.record === undefined || !canBeUndeleted(removed)
        ? []
        : { record: removed.record, removed }
    ),
  ].sort((a, b) => a.record.id < b.record.id ? -1 : 1);
}

/**
 * Returns the snapshots that an unfinished purge has replaced, except those
 * with damaged records or missing layers.
 */
export function replacedIn(
  { removed }: Pick<RepositoryState, "removed">,
): { record: SnapshotRecord }[] {
  return removed.flatMap((one) =>
    canBeUndeleted(one) || one.isCut === true || one.record === undefined
      ? []
      : { record: one.record }
  );
}

/** Returns a text that identifies the position of a piece. */
function keyOf({ reference }: StoredPiece): string {
  const { volume, offset, skip } = reference;
  return `${volume} ${offset} ${skip}`;
}

function furtherName(path: string, target: string): DeltarError {
  return new DeltarError(
    "unsupported",
    `the file is another name (hard link) of ${JSON.stringify(target)}, ` +
      "which is to be purged. Purge both paths, or neither.",
    { path },
  );
}
