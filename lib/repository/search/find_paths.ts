/**
 * Finding paths in many snapshots.
 *
 * The snapshots of a directory are compared one after the other, from the
 * newest to the oldest. A path can differ between two consecutive snapshots
 * only if it has a line in a layer that only one of the snapshots has. So only
 * the lines of these layers are compared. Each layer is read at most once, and
 * only its lines for matching paths are kept.
 *
 * Most layers are not read at all. A snapshot merges the last layers of its
 * parent into its own layer. If this layer has no matching path, the merged
 * layers have none either. A snapshot that replaced another one is an
 * exception: a purge can have deleted paths from the layers of this snapshot.
 * So the layers of its parent are read.
 *
 * @module
 */
import { checkAborted } from "../../bytes/abort.ts";
import { type DamageHandler, isDamage } from "../../bytes/errors.ts";
import { bare } from "../../tree/change_finder.ts";
import type { HashedEntry } from "../../tree/entry_line.ts";
import { comparePaths } from "../../tree/path.ts";
import { placeOf } from "../format/place_of.ts";
import type { LayerRecord, SnapshotRecord } from "../format/snapshot_record.ts";
import { LayerReader } from "../layers/layer_reader.ts";
import { isEntry } from "../layers/tree_reader.ts";
import { PathFilter } from "../layers/path_filter.ts";
import type { Store } from "../store/store.ts";
import { type PathPattern, pathPattern } from "./path_pattern.ts";

/** A path that was found in snapshots of a directory. */
export interface FoundPath {
  /** The path below the directory. */
  path: string;
  /** The entry in the last snapshot that has a matching entry of the path. */
  entry: HashedEntry;
  /** The first snapshot that has a matching entry of the path. */
  first: SnapshotRecord;
  /** The last snapshot that has a matching entry of the path. */
  last: SnapshotRecord;
  /** The number of snapshots that have a matching entry of the path. */
  count: number;
}

/** Options for finding paths. */
export interface FindPathsOptions {
  /**
   * The directory whose snapshots are searched, or a path in it. If the
   * repository has no snapshots of the directory, but has snapshots of exactly
   * one other directory, the snapshots of the other directory are searched.
   * Default: all directories of all machines.
   */
  directory?: string;
  /** Whether to ignore the case of letters. Default: `false`. */
  ignoreCase?: boolean;
  /**
   * Called with each entry whose path matches. Returns whether the entry is
   * wanted. Default: all entries are wanted.
   */
  isWanted?: (entry: HashedEntry) => boolean;
  /**
   * Called after each snapshot, with the number of snapshots searched so far.
   */
  onProgress?: (snapshots: number) => void;
  /** The signal that ends the work with an error of code `aborted`. */
  signal?: AbortSignal;
  /**
   * Called with the error of each record or layer that cannot be read. The
   * snapshots that need the record or layer are ignored. By default, the error
   * is thrown.
   */
  onDamage?: DamageHandler;
}

/**
 * Searches snapshots for the paths that match a pattern.
 *
 * @param store The repository.
 * @param snapshots The snapshots, newest first.
 * @param pattern A pattern in gitignore's syntax.
 * @param options See `FindPathsOptions`.
 * @returns The matching paths, grouped by machine and directory. Each group is
 * in path order.
 */
export async function findPaths(
  store: Store,
  snapshots: AsyncIterable<SnapshotRecord>,
  pattern: string,
  options: FindPathsOptions,
): Promise<FoundPath[]> {
  const { directory, isWanted = () => true, signal, onProgress } = options;
  const compiled = pathPattern(pattern, options.ignoreCase);
  const searches = new Map<string, Search>();
  let count = 0;
  for await (const record of snapshots) {
    checkAborted(signal);
    // If one directory is searched, the machine is ignored, so that old
    // snapshots that name no machine are in the same search.
    const machine = directory === undefined ? record.machine?.id : undefined;
    const key = JSON.stringify([placeOf(record), machine]);
    const search = searches.get(key) ?? new Search(store, compiled, isWanted);
    searches.set(key, search);
    await search.add(record, options.onDamage);
    onProgress?.(++count);
  }
  return [...searches.values()].flatMap((search) => search.finish());
}

/**
 * The matching paths for which a layer has a line, each with its entry. A path
 * without a wanted entry, such as a deleted path, has the value `undefined`.
 */
type Matches = ReadonlyMap<string, HashedEntry | undefined>;

const NO_MATCHES: Matches = new Map();

/**
 * The search result for one path. Positions in the list of snapshots begin with
 * 0, the newest snapshot.
 */
interface Found {
  /** The newest matching entry. */
  entry: HashedEntry;
  /** The position of the last snapshot that has a matching entry. */
  last: number;
  /**
   * The position of the oldest snapshot that has a matching entry. Used only if
   * `since` is `undefined`.
   */
  first: number;
  /**
   * The number of snapshots with a matching entry, not counting the series that
   * begins at `since`.
   */
  count: number;
  /**
   * The position at which the current unbroken series of snapshots with a
   * matching entry begins; `undefined` if the last added snapshot has no
   * matching entry.
   */
  since: number | undefined;
}

/** A search in the snapshots of one directory. */
class Search {
  readonly #store: Store;
  readonly #pattern: PathPattern;
  readonly #isWanted: (entry: HashedEntry) => boolean;
  /** The snapshots, newest first. */
  readonly #records: SnapshotRecord[] = [];
  readonly #found = new Map<string, Found>();
  /**
   * The matches in the layers of the last added snapshot, by the names of the
   * layers.
   */
  #layers = new Map<string, Matches>();
  /** The names of the layers that could not be read. */
  readonly #damaged = new Set<string>();

  constructor(
    store: Store,
    pattern: PathPattern,
    isWanted: (entry: HashedEntry) => boolean,
  ) {
    this.#store = store;
    this.#pattern = pattern;
    this.#isWanted = isWanted;
  }

  /**
   * Adds the next older snapshot. If one of its layers is damaged and
   * `onDamage` is given, the snapshot is ignored.
   */
  async add(
    record: SnapshotRecord,
    onDamage: DamageHandler | undefined,
  ): Promise<void> {
    const newer = this.#records.at(-1);
    const layers = new Map<string, Matches>();
    const isKnown = ({ name }: LayerRecord) => this.#layers.has(name);
    const isFull = !isKnown(record.layers[0]);
    const isChild = newer?.parent === record.id && newer.repairs === undefined;
    const merged = isChild && !isFull
      ? this.#pathsMerged(newer, record)
      : undefined;
    for (const layer of record.layers) {
      if (this.#damaged.has(layer.name)) return;
      try {
        layers.set(
          layer.name,
          this.#layers.get(layer.name) ?? await this.#read(layer, merged),
        );
      } catch (error) {
        if (onDamage === undefined || !isDamage(error)) throw error;
        this.#damaged.add(layer.name);
        onDamage(error);
        return;
      }
    }
    this.#records.push(keptLayers(record, newer));
    const changed = new Set<string>();
    const before = this.#layers;
    for (const [one, other] of [[layers, before], [before, layers]]) {
      for (const [name, lines] of one) {
        if (other.has(name) && !isFull) continue;
        for (const path of lines.keys()) changed.add(path);
      }
    }
    this.#layers = layers;
    const stack = [...layers.values()].reverse();
    for (const path of changed) {
      this.#set(path, stack.find((lines) => lines.has(path))?.get(path));
    }
  }

  /** Returns the paths that were found, in path order. */
  finish(): FoundPath[] {
    const end = this.#records.length;
    return [...this.#found]
      .sort(([one], [other]) => comparePaths(one, other))
      .map(([path, { entry, first, last, count, since }]) => ({
        path,
        entry,
        first: this.#records[since === undefined ? first : end - 1],
        last: this.#records[last],
        count: since === undefined ? count : count + end - since,
      }));
  }

  /**
   * Records the matching entry that the last added snapshot has for a path.
   * `entry` is `undefined` if the snapshot has none.
   */
  #set(path: string, entry: HashedEntry | undefined): void {
    const at = this.#records.length - 1;
    const found = this.#found.get(path);
    if (found === undefined) {
      if (entry === undefined) return;
      const state = { entry, first: at, last: at, count: 0, since: at };
      this.#found.set(path, state);
    } else if (entry === undefined) {
      if (found.since === undefined) return;
      found.first = at - 1;
      found.count += at - found.since;
      found.since = undefined;
    } else found.since ??= at;
  }

  /**
   * Returns the matching paths of the layers that a snapshot does not share
   * with its parent. The layers that only the parent has were merged into these
   * layers, and therefore have no other matching paths.
   */
  #pathsMerged(newer: SnapshotRecord, parent: SnapshotRecord): string[] {
    const kept = new Set(parent.layers.map(({ name }) => name));
    return newer.layers.filter(({ name }) => !kept.has(name))
      .flatMap(({ name }) => [...this.#layers.get(name)?.keys() ?? []]);
  }

  /**
   * Returns the matching paths of a layer. The layer is not read if it cannot
   * contain any of `paths`.
   *
   * @param layer The layer.
   * @param paths The only paths that can match; `undefined` if all paths can
   * match.
   */
  async #read(
    layer: LayerRecord,
    paths: readonly string[] | undefined,
  ): Promise<Matches> {
    if (paths !== undefined) {
      const filter = layer.filter && PathFilter.decode(layer.filter);
      if (!paths.some((path) => !filter || filter.has(path))) return NO_MATCHES;
    }
    const matches = new Map<string, HashedEntry | undefined>();
    const reader = new LayerReader(this.#store.storage, layer);
    const { matches: isNamed, onlyFolders } = this.#pattern;
    for await (const lines of reader.select(isNamed)) {
      for (const line of lines) {
        const isMatch = isEntry(line) && this.#isWanted(line) &&
          (!onlyFolders || line.kind === "directory");
        matches.set(line.path, isMatch ? bare(line) : undefined);
      }
    }
    return matches;
  }
}

/**
 * Returns a copy of a record. For each layer that a newer snapshot also has,
 * the copy uses the `LayerRecord` object of the newer snapshot. This saves
 * memory, because such an object can take many kilobytes.
 */
function keptLayers(
  record: SnapshotRecord,
  newer: SnapshotRecord | undefined,
): SnapshotRecord {
  const known = new Map(newer?.layers.map((layer) => [layer.sha256, layer]));
  const layers = record.layers.map((layer) => known.get(layer.sha256) ?? layer);
  return { ...record, layers };
}
