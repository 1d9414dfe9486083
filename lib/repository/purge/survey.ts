import { DeltarError } from "../../bytes/errors.ts";
import { turnIfDue } from "../../bytes/turns.ts";
import { untilAborted } from "../../storage/until_aborted.ts";
import { comparePaths, isWithin } from "../../tree/path.ts";
import { noteName, recordName, REMOVED } from "../format/names.ts";
import { pathFrom } from "../format/place_of.ts";
import type { LayerRecord, SnapshotRecord } from "../format/snapshot_record.ts";
import { LayerReader } from "../layers/layer_reader.ts";
import type {
  LayerLine,
  StoredPiece,
  TreeEntry,
  TreeFileEntry,
} from "../layers/tree_layer.ts";
import { isEntry, TreeFinder } from "../layers/tree_reader.ts";
import { canBeUndeleted, type RemovedSnapshot } from "../prune/removed.ts";
import type { RepositoryState } from "../prune/repository_state.ts";
import { ALWAYS, findUsage, type Rank } from "../prune/usage.ts";
import type { Store } from "../store/store.ts";
import type { PurgeOptions } from "./purge.ts";
import { layerKey } from "../verify/family.ts";

/** A snapshot that a purge replaces. */
export interface Target {
  /** The snapshot. */
  record: SnapshotRecord;
  /** The removal, if the snapshot was removed and can be brought back. */
  removed: RemovedSnapshot | undefined;
  /** The requested paths, relative to the root of the snapshot. */
  paths: string[];
  /** The other paths of the snapshot that have purged content. */
  same: string[];
  /** The entries that are purged. */
  entries: TreeEntry[];
}

/** A snapshot that a purge may replace. */
type Candidate = Pick<Target, "record" | "removed">;

/** A file with purged content that is not purged itself. */
export interface SameContent {
  /** The path of the file. */
  path: string;
  /** The path of a purged file with the same content. */
  sameAs: string;
  /** The id of a snapshot that has the file, if it is known. */
  snapshot?: string;
}

/** The snapshots and files that a purge affects. */
export interface Survey {
  /** The snapshots to replace, the oldest first. */
  targets: Target[];
  /** The requested paths that none of the snapshots has. */
  missing: string[];
  /** Purged contents that stay in the repository under other paths. */
  others: SameContent[];
  /** The sizes in bytes of the purged contents, by SHA-256. */
  contents: Map<string, { size: number; path: string }>;
  /**
   * The files whose content is stored again, because it depends on purged
   * content, by the key of their layer.
   */
  dependents: Map<string, TreeFileEntry[]>;
  /** The keys of the layers that have files with purged content. */
  layersWithContents: Set<string>;
}

/** Returns the paths that a snapshot has and a purge deletes. */
export function deletedPaths({ paths, same, entries }: Target): string[] {
  const isThere = (path: string) =>
    entries.some((entry) => isWithin(entry.path, path));
  return [...paths.filter(isThere), ...same];
}

/** Returns whether a path is one of some paths, or inside one of them. */
export function isWithinAny(path: string, paths: readonly string[]): boolean {
  return paths.some((one) => isWithin(path, one));
}

/**
 * Finds the snapshots that have the paths, the other files with the same
 * content, and the files that are stored as deltas of the purged content.
 *
 * @param store The repository.
 * @param found The state of the repository.
 * @param paths The paths to purge.
 * @param options The options of the purge.
 * @throws {DeltarError} `unsupported` if a purged file has a further name (hard
 * link) that is not purged; the error of a layer that cannot be read.
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
 * Returns the names of the records that have any of the paths.
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
 * Returns the path in a snapshot that a requested path names, or `undefined` if
 * it is not in the snapshot's directory.
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
  readonly #store: Store;
  readonly #options: PurgeOptions;
  /** The snapshots that may be replaced. */
  readonly #candidates: Candidate[];
  /** The snapshots that an unfinished purge has replaced. */
  readonly #replaced: RemovedSnapshot[];
  /**
   * The keys of the last pieces of purged files. A file that stays and has such
   * a piece before its last one is a delta of purged content.
   */
  readonly #pieces = new Set<string>();
  /** The paths of the files with purged content outside of the paths. */
  readonly #same = new Set<string>();
  /** The files outside of the paths that have a further name in the paths. */
  readonly #linked: SameContent[] = [];
  /** The lines of layers within a path, by the key of the layer and the path. */
  readonly #lines = new Map<string, LayerLine[]>();

  constructor(
    store: Store,
    found: Pick<RepositoryState, "records" | "removed">,
    options: PurgeOptions,
  ) {
    this.#store = store;
    this.#options = options;
    this.#candidates = candidatesIn(found);
    this.#replaced = found.removed
      .filter((one) => !canBeUndeleted(one) && one.isCut !== true);
  }

  /** Finds the snapshots that have the requested paths. */
  async findPaths(paths: readonly string[]): Promise<void> {
    const { from } = this.#options;
    const found = new Set<string>();
    for (const candidate of this.#candidates) {
      const { record } = candidate;
      if (from !== undefined && !from.includes(record.id)) continue;
      const own: string[] = [];
      const entries: TreeEntry[] = [];
      let hasLines = false;
      for (const requested of paths) {
        const path = pathIn(record, requested, this.#options);
        if (path === undefined) continue;
        if (path === "") {
          throw new DeltarError(
            "unsupported",
            `the path is the whole directory of the snapshot ${record.id}; ` +
              "remove whole snapshots with `deltar forget`",
            { path: record.directory },
          );
        }
        own.push(path);
        const { lines, visible } = await this.#visible(record, path);
        entries.push(...visible);
        if (lines === 0) continue;
        hasLines = true;
        found.add(requested);
      }
      // A snapshot without the path may have it in a lower layer.
      if (!hasLines) continue;
      this.#add(candidate, entries, { paths: own });
      for (const { kind, path, target } of entries) {
        if (kind !== "hardlink" || isWithinAny(target, own)) continue;
        if (this.#options.all) throw furtherName(target, path);
        this.#linked.push({ path: target, sameAs: path, snapshot: record.id });
      }
    }
    this.missing = paths.filter((path) => !found.has(path));
  }

  /** Adds entries of a snapshot to those that are purged. */
  #add(
    candidate: Candidate,
    entries: readonly TreeEntry[],
    names: Partial<Pick<Target, "paths" | "same">>,
  ): void {
    const { id } = candidate.record;
    const target = this.targets.get(id) ??
      { ...candidate, paths: [], same: [], entries: [] };
    this.targets.set(id, target);
    Object.assign(target, names);
    const known = new Set(target.entries.map(({ path }) => path));
    for (const entry of entries) {
      if (known.has(entry.path)) continue;
      target.entries.push(entry);
      this.#addContent(entry);
    }
  }

  #addContent(entry: TreeEntry): void {
    if (entry.kind !== "file") return;
    if (entry.size > 0) {
      const { size, path } = entry;
      this.contents.set(entry.sha256, { size, path });
    }
    const last = entry.content.at(-1);
    if (last !== undefined) this.#pieces.add(keyOf(last));
  }

  /**
   * Adds the contents of the paths in snapshots that an unfinished purge has
   * replaced. Later snapshots may have deltas of them.
   */
  async findUnfinished(paths: readonly string[]): Promise<void> {
    const { from } = this.#options;
    for (const { record } of this.#replaced) {
      if (record === undefined) continue;
      if (from !== undefined && !from.includes(record.id)) continue;
      for (const path of paths) {
        const own = pathIn(record, path, this.#options);
        if (own === undefined) continue;
        const { visible } = await this.#visible(record, own);
        for (const entry of visible) this.#addContent(entry);
      }
    }
  }

  /**
   * Returns the entries of a snapshot within a path, and the number of lines
   * within the path in all layers of the snapshot.
   */
  async #visible(
    { layers }: SnapshotRecord,
    path: string,
  ): Promise<{ lines: number; visible: TreeEntry[] }> {
    const last = new Map<string, LayerLine>();
    let lines = 0;
    for (const layer of layers) {
      for (const line of await this.#linesWithin(layer, path)) {
        last.set(line.path, line);
        lines++;
      }
    }
    const visible = [...last.values()].filter(isEntry)
      .sort((a, b) => comparePaths(a.path, b.path));
    return { lines, visible };
  }

  async #linesWithin(layer: LayerRecord, path: string): Promise<LayerLine[]> {
    const key = `${layerKey(layer)} ${path}`;
    let lines = this.#lines.get(key);
    if (lines !== undefined) return lines;
    lines = [];
    const { signal } = this.#options;
    const storage = untilAborted(this.#store.storage, signal);
    const reader = new LayerReader(storage, layer);
    for await (const part of reader.parts({ within: path, signal })) {
      for (const line of part.lines) {
        if (isWithin(line.path, path)) lines.push(line);
      }
    }
    this.#lines.set(key, lines);
    return lines;
  }

  /**
   * Reads all layers, and finds the files that have purged content and stay,
   * and those that depend on purged content.
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
      const isNamed = isWithinAny(line.path, paths);
      if (line.kind === "hardlink" && !isNamed) {
        if (isWithinAny(line.target, paths) || linkedTo.has(line.target)) {
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
    // What runs need is not counted here. `scrub` keeps it for the next purge.
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
    this.others = [...this.#linked];
    for (const { layer, other } of others.values()) {
      const by = this.#candidates.find(({ record: { id, layers } }) =>
        !(all && this.targets.has(id)) &&
        layers.some((one) => layerKey(one) === layer)
      );
      this.others.push({ ...other, ...by && { snapshot: by.record.id } });
    }
  }

  #pathsByLayer(): Map<string, string[]> {
    const paths = new Map<string, string[]>();
    for (const target of this.targets.values()) {
      for (const layer of target.record.layers) {
        const key = layerKey(layer);
        paths.set(key, [
          ...new Set([...paths.get(key) ?? [], ...target.paths]),
        ]);
      }
    }
    return paths;
  }

  /** Adds the other files with purged content to those that are purged. */
  async addSame(): Promise<void> {
    const { from, signal } = this.#options;
    const paths = [...this.#same].sort(comparePaths);
    const storage = untilAborted(this.#store.storage, signal);
    for (const candidate of this.#candidates) {
      const { record } = candidate;
      if (from !== undefined && !from.includes(record.id)) continue;
      const finder = new TreeFinder(storage, record.layers);
      const same: TreeEntry[] = [];
      for (const path of paths) {
        const entry = await finder.find(path, signal);
        if (entry?.kind === "file" && this.contents.has(entry.sha256)) {
          same.push(entry);
        }
      }
      if (same.length === 0) continue;
      const named = same.filter(({ path }) =>
        !isWithinAny(path, this.targets.get(record.id)?.paths ?? [])
      );
      this.#add(candidate, same, { same: named.map(({ path }) => path) });
    }
  }

  /** Adds the snapshots that have files that are stored again. */
  addDependents(): void {
    for (const candidate of this.#candidates) {
      const { layers } = candidate.record;
      if (layers.some((layer) => this.dependents.has(layerKey(layer)))) {
        this.#add(candidate, [], {});
      }
    }
  }

  /**
   * Adds the safety snapshots that name a replaced safety snapshot, because
   * `undo` follows these names.
   */
  addSafety(): void {
    for (let before = -1; before < this.targets.size;) {
      before = this.targets.size;
      for (const candidate of this.#candidates) {
        const { of = "", continues = "" } = candidate.record.safety ?? {};
        const isOfSafety = this.targets.get(of)?.record.safety !== undefined;
        if (isOfSafety || this.targets.has(continues)) {
          this.#add(candidate, [], {});
        }
      }
    }
  }
}

function candidatesIn(
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

/** Returns a text that identifies the place of a piece. */
function keyOf({ reference }: StoredPiece): string {
  const { volume, offset, skip } = reference;
  return `${volume} ${offset} ${skip}`;
}

function furtherName(path: string, target: string): DeltarError {
  return new DeltarError(
    "unsupported",
    `the file is a further name (hard link) of ${JSON.stringify(target)}, ` +
      "which is to be purged. Name both paths, or neither",
    { path },
  );
}
