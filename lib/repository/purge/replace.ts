import { checkAborted } from "../../bytes/abort.ts";
import { isDamage } from "../../bytes/errors.ts";
import { turnIfDue } from "../../bytes/turns.ts";
import { toHex } from "../../bytes/hex.ts";
import { sha256 } from "../../bytes/sha256.ts";
import type { Storage } from "../../storage/storage.ts";
import { untilAborted } from "../../storage/until_aborted.ts";
import {
  codecOf,
  idOfObject,
  layerName,
  newId,
  recordName,
} from "../format/names.ts";
import { signListing } from "../format/signed_listing.ts";
import {
  encodeRecord,
  type LayerRecord,
  type ObjectRecord,
  readRecord,
  type SnapshotCounts,
  type SnapshotRecord,
} from "../format/snapshot_record.ts";
import { LayerReader } from "../layers/layer_reader.ts";
import { LayerWriter } from "../layers/layer_writer.ts";
import type {
  LayerLine,
  TreeEntry,
  TreeFileEntry,
} from "../layers/tree_layer.ts";
import { streamEntries } from "../layers/tree_reader.ts";
import type { Skipped } from "../../tree/entry.ts";
import type { Lease } from "../prune/lease.ts";
import { putRemoved, removePurged, WHOLE_TREE } from "../prune/removed.ts";
import type { RepositoryState } from "../prune/repository_state.ts";
import { partsOf, SiblingIds } from "../repair/sibling_ids.ts";
import { StoreAgain } from "../repair/store_again.ts";
import { countTree, type EntryTally } from "../snapshot/snapshot_counts.ts";
import { SnapshotWriter } from "../snapshot/snapshot_writer.ts";
import { signatureFor, type Store } from "../store/store.ts";
import type { PathSet } from "./path_set.ts";
import { deletedPaths, type Survey, type Target } from "./survey.ts";
import type { PurgeOptions } from "./purge.ts";
import { layerKey } from "../verify/family.ts";

/** A snapshot and the snapshot that replaces it. */
export interface Replacement {
  /** The id of the snapshot. */
  id: string;
  /** The id of its replacement. */
  by: string;
}

/**
 * The maximum total length of the paths in a record or in a note about a
 * removed snapshot, in UTF-16 code units. The length is limited because many
 * operations read all records, and a purge with the option `all` may delete any
 * number of paths.
 */
const MAX_RECORDED_PATHS = 1 << 16;

/**
 * The value of the field `detail` with which a rewritten layer lists a purged
 * path as skipped.
 */
const DETAIL = "purged";

/**
 * Replaces snapshots with snapshots that do not have the purged paths. First,
 * the new layers and volumes are stored, then the new records, the oldest
 * first. Then the old snapshots are removed.
 *
 * @param store The repository.
 * @param lease The lease. It is checked before the new records are stored, and
 * before the old snapshots are removed.
 * @param found The state of the repository.
 * @param surveyed The snapshots and files that the purge affects.
 * @param options The options of the purge.
 * @returns The replaced snapshots, with their replacements.
 */
export async function replaceSnapshots(
  store: Store,
  lease: Lease,
  found: RepositoryState,
  surveyed: Survey,
  options: PurgeOptions,
): Promise<Replacement[]> {
  const ids = await SiblingIds.read(store.storage);
  return await new Replacing(store, lease, found, surveyed, ids, options).run();
}

/** A layer to rewrite. */
interface Rewrite {
  layer: LayerRecord;
  /** The name of the new layer. */
  name: string;
  /** The paths whose lines the new layer omits. */
  paths: PathSet;
  /** Whether the new layer omits files with purged content. */
  losesContents: boolean;
  /** The purged paths that the new layer lists as skipped. */
  skipped: Set<string>;
  /** Whether this is the first layer of its trees. */
  isFirst: boolean;
}

class Replacing {
  readonly #store: Store;
  readonly #lease: Lease;
  readonly #survey: Survey;
  readonly #ids: SiblingIds;
  readonly #options: PurgeOptions;
  readonly #found: RepositoryState;
  /** The ids of the replacements, by the id of the replaced snapshot. */
  readonly #by = new Map<string, string>();
  /** The SHA-256 of each new record, in hexadecimal, by snapshot id. */
  readonly #sums = new Map<string, string>();
  /** The layers to rewrite, by the keys that `#variantOf` returns. */
  readonly #rewrites = new Map<string, Rewrite>();
  /** The new layers, by the keys of `#rewrites`. */
  readonly #written = new Map<string, LayerRecord>();
  /**
   * The files that were stored again, by the key of the layer and then by path.
   */
  readonly #again = new Map<string, Map<string, TreeFileEntry>>();
  /**
   * Whether each examined layer has lines for purged paths. The keys identify
   * the layer and the set of paths.
   */
  readonly #haveEntries = new Map<string, boolean>();

  constructor(
    store: Store,
    lease: Lease,
    found: RepositoryState,
    surveyed: Survey,
    ids: SiblingIds,
    options: PurgeOptions,
  ) {
    this.#store = store;
    this.#lease = lease;
    this.#survey = surveyed;
    this.#ids = ids;
    this.#options = options;
    this.#found = found;
  }

  async run(): Promise<Replacement[]> {
    const { targets } = this.#survey;
    const { signal } = this.#options;
    if (targets.length === 0) return [];
    await this.#store.introduce();
    const left: Target[] = [];
    for (const target of targets) {
      if (await this.#findEarlier(target)) continue;
      const { id } = target.record;
      this.#by.set(id, this.#ids.next(id));
      left.push(target);
    }
    for (const target of left) await this.#planLayers(target);
    // The names of the new layers contain ids other than the id of this run.
    // The intent lists these ids in `reuses`, so that prunes keep the layers.
    const reuses = [...this.#rewrites.values()]
      .map(({ name }) => idOfObject(name) as string);
    await using writer = new SnapshotWriter(this.#store, {
      id: newId(Date.now(), Math.random()),
      reuses,
      signal,
    });
    await writer.begin();
    const objects = await this.#storeAgain(writer);
    let done = 0;
    for (const [key, rewrite] of this.#rewrites) {
      checkAborted(signal);
      this.#tell(done++, this.#rewrites.size + left.length);
      this.#written.set(key, await this.#write(writer, rewrite, objects));
    }
    await writer.check();
    await this.#lease.check();
    for (const target of left) {
      checkAborted(signal);
      this.#tell(done++, this.#rewrites.size + left.length);
      await this.#commit(writer, target);
    }
    await writer.list();
    await writer.check();
    await this.#lease.check();
    for (const target of targets) {
      const { record: { id }, paths, same } = target;
      const all = [...paths.list, ...same];
      const isShort = firstPaths(all).length === all.length;
      await removePurged(this.#store, id, isShort ? all : [WHOLE_TREE]);
    }
    return targets.map(({ record: { id } }) => ({ id, by: this.#byOf(id) }));
  }

  #tell(done: number, all: number): void {
    this.#options.onProgress?.({ phase: "replacing", done, all });
  }

  #byOf(id: string): string {
    return this.#by.get(id) ?? id;
  }

  /**
   * Searches for a replacement that an interrupted purge has stored, and adds
   * its id to `#by`. Returns whether such a replacement exists. An attacker who
   * can only add snapshots can store a false replacement, so the trees are
   * compared. The replacement of a trusted snapshot must be trusted, too.
   */
  async #findEarlier(target: Target): Promise<boolean> {
    const { record, paths } = target;
    const { id } = record;
    const { stem } = partsOf(id);
    const isTrusted = await this.#store.trustOf(record) === "trusted";
    const all = [
      ...this.#found.records,
      ...this.#found.removed.flatMap((one) => one.record ?? []),
    ];
    for (const other of all) {
      if (other.id === id || other.purged === undefined) continue;
      if (other.repairs !== originalOf(record)) continue;
      if (partsOf(other.id).stem !== stem) continue;
      if (isTrusted && await this.#store.trustOf(other) !== "trusted") {
        continue;
      }
      const storage = untilAborted(this.#store.storage, this.#options.signal);
      const isPurged = (entry: TreeEntry) =>
        paths.includes(entry.path) ||
        this.#losesContents(target) && this.#isPurgedContent(entry);
      if (!await hasSameTree(storage, record, other, isPurged)) continue;
      this.#by.set(id, other.id);
      return true;
    }
    return false;
  }

  /**
   * Determines which layers of a snapshot must be rewritten, and adds them to
   * `#rewrites`.
   */
  async #planLayers(target: Target): Promise<void> {
    const { record, paths } = target;
    const { dependents, layersWithContents } = this.#survey;
    const losesContents = this.#losesContents(target);
    for (const [at, layer] of record.layers.entries()) {
      const key = this.#variantOf(layer, target);
      const isLast = at === record.layers.length - 1;
      const skipped = isLast ? deletedPaths(target) : [];
      const isNeeded = skipped.length > 0 ||
        dependents.has(layerKey(layer)) ||
        losesContents && layersWithContents.has(layerKey(layer)) ||
        await this.#hasEntries(layer, paths);
      if (!isNeeded) continue;
      const known = this.#rewrites.get(key);
      if (known !== undefined) {
        for (const path of skipped) known.skipped.add(path);
        continue;
      }
      const owner = idOfObject(layer.name) as string;
      const name = layerName(this.#ids.next(owner), codecOf(layer.name).name);
      const isFirst = at === 0;
      this.#rewrites.set(key, {
        layer,
        name,
        paths,
        losesContents,
        skipped: new Set(skipped),
        isFirst,
      });
    }
  }

  /**
   * Returns whether all files with purged content are purged from a snapshot.
   * This requires the option `all`. A snapshot that the option `from` does not
   * select keeps these files, even if the snapshot is replaced because it
   * depends on purged content.
   */
  #losesContents({ record: { id } }: Target): boolean {
    const { all = false, from } = this.#options;
    return all && (from === undefined || from.includes(id));
  }

  /**
   * Returns the key in `#rewrites` for a layer of a snapshot. The key
   * identifies the layer, the purged paths, and whether the new layer omits
   * files with purged content.
   */
  #variantOf(layer: LayerRecord, target: Target): string {
    const losesContents = this.#losesContents(target);
    return `${layerKey(layer)} ${losesContents} ${target.paths.key}`;
  }

  async #hasEntries(layer: LayerRecord, paths: PathSet): Promise<boolean> {
    if (paths.list.length === 0) return false;
    const key = `${layerKey(layer)} ${paths.key}`;
    const known = this.#haveEntries.get(key);
    if (known !== undefined) return known;
    const { signal } = this.#options;
    const storage = untilAborted(this.#store.storage, signal);
    const selected = new LayerReader(storage, layer).select(
      (path) => paths.includes(path),
      { within: paths.within, signal },
    );
    let found = false;
    for await (const lines of selected) {
      found = lines.length > 0;
      if (found) break;
    }
    this.#haveEntries.set(key, found);
    return found;
  }

  /**
   * Stores the content of the dependent files again. Returns the new volumes.
   */
  async #storeAgain(writer: SnapshotWriter): Promise<ObjectRecord[]> {
    const { signal } = this.#options;
    const again = new StoreAgain(untilAborted(this.#store.storage, signal));
    const all = [...this.#survey.dependents]
      .flatMap(([key, entries]) => entries.map((entry) => ({ key, entry })));
    if (all.length === 0) return [];
    const stored = await again.store(
      writer,
      all.map(({ entry }) => ({ entry, content: true })),
    );
    for (const [at, { key }] of all.entries()) {
      const entry = stored[at];
      const known = this.#again.get(key) ?? new Map();
      this.#again.set(key, known.set(entry.path, entry));
    }
    return again.objects;
  }

  /** Writes a layer without the purged entries. */
  async #write(
    { storage }: SnapshotWriter,
    { layer, name, paths, losesContents, skipped, isFirst }: Rewrite,
    objects: readonly ObjectRecord[],
  ): Promise<LayerRecord> {
    const { signal } = this.#options;
    const reading = untilAborted(this.#store.storage, signal);
    const again = this.#again.get(layerKey(layer));
    const writer = new LayerWriter({
      storage,
      name,
      codec: this.#store.codec,
      expected: layer.entries,
      isFull: isFirst,
      signal,
    });
    const named = new Map<string, ObjectRecord>();
    const kept: Skipped[] = [];
    try {
      for await (
        const part of new LayerReader(reading, layer)
          .parts({ isDated: true, signal })
      ) {
        for (const line of part.lines) {
          const turn = turnIfDue();
          if (turn !== undefined) await turn;
          if (paths.includes(line.path)) continue;
          if (!losesContents || !this.#isPurgedContent(line)) {
            const stored = again?.get(line.path);
            writer.add(stored ? { ...stored, since: line.since } : line);
          } else if (!isFirst) writer.add({ path: line.path, kind: "gone" });
          const room = writer.ready();
          if (room !== undefined) await room;
        }
        for (const object of part.objects) named.set(object.name, object);
        for (const one of part.skipped) {
          const purged = paths.around(one.path).at(0);
          if (purged === undefined) kept.push(one);
          else skipped.add(purged);
        }
      }
      if (again !== undefined) {
        for (const object of objects) named.set(object.name, object);
      }
      for (const path of skipped) {
        kept.push({ path, reason: "lost", detail: DETAIL });
      }
      return await writer.close(named.values(), kept);
    } catch (error) {
      await writer.abort(error);
      throw error;
    }
  }

  #isPurgedContent(line: LayerLine): boolean {
    return line.kind === "file" &&
      this.#survey.contents.has(line.sha256);
  }

  /** Stores the record of a replacement. */
  async #commit(writer: SnapshotWriter, target: Target): Promise<void> {
    const { record, removed, purged } = target;
    const {
      signer: _,
      repository: __,
      parent,
      parentSha256,
      safety,
      ...rest
    } = record;
    const layers = record.layers.map((layer) =>
      this.#written.get(this.#variantOf(layer, target)) ?? layer
    );
    const id = this.#byOf(record.id);
    const signature = await signatureFor(this.#store, record);
    const encoded = encodeRecord({
      ...rest,
      ...signature,
      id,
      ...await this.#parentOf(parent, parentSha256),
      ...safety !== undefined && {
        safety: {
          ...safety,
          of: this.#byOf(safety.of),
          ...safety.continues !== undefined && {
            continues: this.#byOf(safety.continues),
          },
        },
      },
      repairs: originalOf(record),
      purged: {
        time: Date.now(),
        paths: firstPaths([
          ...new Set([
            ...record.purged?.paths ?? [],
            ...deletedPaths(target),
          ]),
        ]),
      },
      layers,
      counts: without(record.counts, purged),
    });
    const key = this.#store.signingKey;
    const bytes = key === undefined || signature.signer === undefined
      ? encoded
      : await signListing(encoded, key);
    this.#sums.set(id, toHex(sha256(bytes)));
    if (removed === undefined) {
      await writer.storage.put(recordName(id), bytes, { ifAbsent: true });
      return;
    }
    const { time, reason } = removed;
    await putRemoved(this.#store.storage, { id, time, reason, bytes });
  }

  /**
   * Returns the SHA-256 of a stored record, or `undefined` if the record is
   * missing or damaged.
   */
  async #sumOf(id: string): Promise<string | undefined> {
    const storage = untilAborted(this.#store.storage, this.#options.signal);
    try {
      return (await readRecord(storage, id)).sha256;
    } catch (error) {
      if (isDamage(error)) return undefined;
      throw error;
    }
  }

  /** Returns the fields of a new record that name its parent. */
  async #parentOf(
    parent: string | undefined,
    parentSha256: string | undefined,
  ): Promise<Pick<SnapshotRecord, "parent" | "parentSha256">> {
    if (parent === undefined || parentSha256 === undefined) return {};
    const by = this.#by.get(parent);
    if (by === undefined) return { parent, parentSha256 };
    const known = this.#sums.get(by) ?? await this.#sumOf(by);
    return known === undefined
      ? { parent, parentSha256 }
      : { parent: by, parentSha256: known };
  }
}

/**
 * Returns the id of the original snapshot: the value of the field `repairs` or,
 * if the record has no such field, the id in the record. Retention rules treat
 * a replacement like the original snapshot.
 */
function originalOf({ id, repairs = id }: SnapshotRecord): string {
  return repairs;
}

/**
 * Returns the first paths of a list, with a total length of at most
 * `MAX_RECORDED_PATHS`.
 */
function firstPaths(paths: string[]): string[] {
  let length = 0;
  const end = paths.findIndex((path) =>
    (length += path.length) > MAX_RECORDED_PATHS
  );
  return end < 0 ? paths : paths.slice(0, end);
}

/**
 * Returns whether two snapshots have the same files, folders and links,
 * ignoring purged entries.
 */
async function hasSameTree(
  storage: Storage,
  one: SnapshotRecord,
  other: SnapshotRecord,
  isPurged: (entry: TreeEntry) => boolean,
): Promise<boolean> {
  const entriesOf = async function* ({ layers }: SnapshotRecord) {
    for await (const entries of streamEntries(storage, layers)) {
      for (const entry of entries) if (!isPurged(entry)) yield entry;
    }
  };
  const others = entriesOf(other);
  for await (const entry of entriesOf(one)) {
    const { value } = await others.next();
    const isSame = value !== undefined && value.path === entry.path &&
      value.kind === entry.kind && value.sha256 === entry.sha256 &&
      value.target === entry.target;
    if (!isSame) {
      await others.return();
      return false;
    }
  }
  return (await others.next()).done === true;
}

/** Returns the counts of a snapshot minus the counts of its purged entries. */
function without(
  counts: SnapshotCounts,
  tally: EntryTally,
): SnapshotCounts {
  const { files, directories, links, bytes, special = 0 } = countTree(tally);
  return {
    ...counts,
    files: Math.max(0, counts.files - files),
    directories: Math.max(0, counts.directories - directories),
    links: Math.max(0, counts.links - links),
    bytes: Math.max(0, counts.bytes - bytes),
    ...counts.special !== undefined &&
      { special: Math.max(0, counts.special - special) },
  };
}
