import { blankContents } from "../../archive/blank_contents.ts";
import { FOLDERS } from "../../archive/member_name.ts";
import { readTar } from "../../archive/tar_reader.ts";
import { codeOf, isDamage } from "../../bytes/errors.ts";
import type { Storage } from "../../storage/storage.ts";
import { untilAborted } from "../../storage/until_aborted.ts";
import { findMoved } from "../content/move.ts";
import {
  CHECKPOINTS,
  codecOf,
  DAMAGED,
  GARBAGE,
  idOfObject,
  moveName,
  newId,
  noteName,
  REMOVED,
  RUNNING,
  TREES,
} from "../format/names.ts";
import { LayerReader } from "../layers/layer_reader.ts";
import type { StoredPiece } from "../layers/tree_layer.ts";
import { findCandidates, runningIds } from "../prune/candidates.ts";
import { deleteNotes } from "../prune/collect_garbage.ts";
import { CollectWork } from "../prune/collect_work.ts";
import type { Lease } from "../prune/lease.ts";
import { findNewlyNeeded } from "../prune/newly_needed.ts";
import type { KeptRange } from "../prune/repack.ts";
import {
  canBeUndeleted,
  isReplaced,
  type RemovedSnapshot,
  WHOLE_TREE,
} from "../prune/removed.ts";
import {
  readState,
  type RepositoryState,
  rootsOfRunningWork,
} from "../prune/repository_state.ts";
import {
  ALWAYS,
  applyMoves,
  findUsage,
  type Root,
  type Usage,
  type UsageOptions,
  type VolumeUse,
} from "../prune/usage.ts";
import { putMark } from "../runs/garbage_mark.ts";
import { beatName } from "../runs/heartbeat.ts";
import type { RunIntent } from "../runs/run.ts";
import { readCheckpoint } from "../snapshot/checkpoint.ts";
import type { Store } from "../store/store.ts";
import type { PurgeOptions } from "./purge.ts";
import { PathSet } from "./path_set.ts";

/** The result of deleting purged contents. */
export interface Scrubbed {
  /** The number of deleted objects, not counting rewritten volumes. */
  deleted: number;
  /** The number of volumes that were rewritten without purged contents. */
  rewritten: number;
  /** The number of bytes that were freed. */
  freed: number;
  /**
   * The names of the objects that may still contain purged contents, because
   * an unfinished run needs or has stored them, or because they are damaged or
   * forged. The list also has the names of records that were stored during the
   * purge and belong to snapshots with purged paths.
   */
  left: string[];
}

/**
 * The maximum length of a range that can have several contents, in bytes. A
 * larger range has only one content.
 */
const MAX_SHARED_BYTES = 4 << 20;

/**
 * Deletes everything that only replaced snapshots needed. If other snapshots
 * need a part of a volume, the volume is rewritten with only this part.
 *
 * @param store The repository.
 * @param lease The lease, which is checked before irreversible steps.
 * @param given The purged paths.
 * @param findLate Called after the contents are deleted. Returns the names of
 * the records with purged paths that appeared too late to be replaced.
 * @param options The options of the purge.
 */
export async function scrub(
  store: Store,
  lease: Lease,
  given: readonly string[],
  findLate: () => Promise<string[]>,
  options: PurgeOptions,
): Promise<Scrubbed> {
  const id = newId(Date.now(), Math.random());
  const found = await readState(store, options.signal);
  await lease.check();
  await endDeadRuns(store, found);
  return await new Scrubbing(store, lease, id, found, given, options)
    .run(findLate);
}

/**
 * Deletes the intents of prunes and purges that were interrupted while they
 * rewrote volumes. The id of such a run is in the name of a mark or in the name
 * of the new volume of a move. If a run was only suspended, it fails when it
 * continues, because it has lost the lease and its intent.
 */
async function endDeadRuns(
  { storage }: Store,
  found: RepositoryState,
): Promise<void> {
  const movers = new Set(
    [...found.moves.values()].map(({ to }) => idOfObject(to.name)),
  );
  const isDead = ({ id }: RunIntent) =>
    found.markNames.includes(noteName(GARBAGE, id)) || movers.has(id);
  for (const { id } of found.intents.filter(isDead)) {
    const name = noteName(RUNNING, id);
    await storage.delete(name);
    await storage.delete(beatName(name));
  }
  found.intents = found.intents.filter((intent) => !isDead(intent));
}

class Scrubbing {
  readonly #store: Store;
  readonly #storage: Storage;
  readonly #lease: Lease;
  readonly #id: string;
  readonly #found: RepositoryState;
  readonly #options: PurgeOptions;
  /** The purged paths. */
  readonly #paths: PathSet;
  /**
   * Whether to purge everything that only replaced snapshots need. This is
   * necessary if the list of purged paths of a replaced snapshot was too long
   * to be stored.
   */
  readonly #isAll: boolean;
  /** The removed snapshots that a purge replaced or that lack layers. */
  readonly #replaced: RemovedSnapshot[];
  /**
   * The ids of the runs that are running or were interrupted. Their objects are
   * kept.
   */
  readonly #running: ReadonlySet<string>;
  /** The trees that are kept. */
  readonly #staying: Root[];
  readonly #left = new Set<string>();

  constructor(
    store: Store,
    lease: Lease,
    id: string,
    found: RepositoryState,
    given: readonly string[],
    options: PurgeOptions,
  ) {
    this.#store = store;
    this.#storage = untilAborted(store.storage, options.signal);
    this.#lease = lease;
    this.#id = id;
    this.#found = found;
    this.#options = options;
    this.#replaced = found.removed.filter((one) => !canBeUndeleted(one));
    const noted = this.#replaced.flatMap(({ paths = [] }) => paths);
    this.#isAll = noted.includes(WHOLE_TREE);
    this.#paths = new PathSet([
      ...given,
      ...noted.filter((path) => path !== WHOLE_TREE),
    ]);
    this.#running = runningIds(found.intents);
    this.#staying = [
      ...found.records.map(({ layers }) => ({ layers, rank: ALWAYS })),
      ...found.removed.filter(canBeUndeleted)
        .map(({ record }) => ({ layers: record?.layers ?? [], rank: ALWAYS })),
      ...rootsOfRunningWork(found),
    ];
  }

  async run(findLate: () => Promise<string[]>): Promise<Scrubbed> {
    const found = this.#found;
    await this.#deleteUnfinishedMoves();
    const pieces: StoredPiece[] = [];
    const usage = await findUsage([
      ...this.#staying,
      ...this.#replaced.map(({ record }) => ({
        layers: record?.layers ?? [],
        rank: 0,
      })),
    ], {
      ...this.#reading(),
      onLine: (line, rank) => {
        if (line.kind !== "file" || rank !== 0) return;
        if (!this.#isAll && !this.#paths.includes(line.path)) return;
        pieces.push(...line.content);
        if (line.signature !== undefined) pieces.push(line.signature);
      },
    });
    applyMoves(usage, found.moves, found.stored);
    // If a prune was killed after it stored a move, the old volume may still
    // exist. So both the old and the new volume are purged.
    const purged = new Set(
      pieces.flatMap((piece) => [
        piece.reference.volume,
        this.#placeOf(piece).volume,
      ]),
    );
    this.#findRuns();
    const checkpoints = await this.#readCheckpoints(purged);
    await this.#scan(purged);
    // A volume can have several checkpoints. All checkpoints of a purged volume
    // are purged, even those that name no purged path.
    const unrecorded = [...checkpoints]
      .filter(([, volume]) => purged.has(volume))
      .map(([name]) => name);
    const { going, rewrites } = await this.#plan(usage, purged, unrecorded);
    await this.#lease.check();
    const isMarked = going.size + rewrites.length > 0;
    if (isMarked) await this.#mark([...going, ...rewrites.map((r) => r.name)]);
    const spared = await findNewlyNeeded(this.#store, found, {
      grounds: rootsOfRunningWork(found),
      expired: this.#replaced.filter(isReplaced),
      signal: this.#options.signal,
    });
    const isSpared = (name: string) => {
      if (spared(name)) this.#left.add(name);
      return spared(name);
    };
    const { onProgress } = this.#options;
    const work = new CollectWork(this.#store, this.#lease, this.#id, found, {
      signal: this.#options.signal,
      onProgress: ({ phase, done, all }) => {
        const own = phase === "deleting" ? phase : "rewriting";
        onProgress?.({ phase: own, done, all });
      },
    });
    // The layers are deleted last. If this purge is interrupted, the next purge
    // needs them to find the volumes.
    const isLayer = (name: string) => name.startsWith(TREES);
    const all = [...going].filter((name) => !isSpared(name));
    await work.delete(all.filter((name) => !isLayer(name)));
    await work.repack(rewrites.filter(({ name }) => !isSpared(name)), usage);
    await work.delete(all.filter(isLayer));
    for (const name of work.damaged) this.#left.add(name);
    if (work.deleted + work.repacked > 0) {
      await this.#store.manifests?.tidy(async (signer) =>
        await this.#store.trustOfSigner(signer) === "trusted"
      );
    }
    for (const name of await findLate()) this.#left.add(name);
    await this.#end(isMarked);
    return {
      deleted: work.deleted,
      rewritten: work.repacked,
      freed: work.freed,
      left: [...this.#left].sort(),
    };
  }

  /**
   * Adds to `#left` each layer that belongs to a replaced snapshot and that a
   * run builds on.
   */
  #findRuns(): void {
    const needed = new Set(
      rootsOfRunningWork(this.#found)
        .flatMap(({ layers }) => layers.map(({ name }) => name)),
    );
    for (const { record } of this.#replaced) {
      for (const { name } of record?.layers ?? []) {
        if (needed.has(name)) this.#left.add(name);
      }
    }
  }

  #reading(): UsageOptions {
    const { onProgress, signal } = this.#options;
    return {
      read: (record) =>
        new LayerReader(this.#storage, record).parts({ signal }),
      onLayer: (done, all) => onProgress?.({ phase: "reading", done, all }),
      signal,
    };
  }

  /**
   * Deletes the moves that `readState` ignored, such as those of an interrupted
   * purge. The old volume still exists, and the new volume is missing or has
   * other bytes. Without the move, the old volume is used again.
   */
  async #deleteUnfinishedMoves(): Promise<void> {
    const { stored, moves } = this.#found;
    for (const name of stored.keys()) {
      const object = moveName(name);
      if (!stored.has(object) || moves.has(object)) continue;
      await this.#lease.check();
      await this.#store.manifests?.removing([object]);
      await this.#store.storage.delete(object);
      stored.delete(object);
    }
  }

  /**
   * Returns the current position of a piece, after all moves. As in
   * `applyMoves`, a move is followed even if the old volume still exists.
   */
  #placeOf({ reference }: StoredPiece): { volume: string; offset: number } {
    const { moves } = this.#found;
    let { volume, offset } = reference;
    for (let depth = 0; depth < 64; depth++) {
      const move = moves.get(moveName(volume));
      const to = move && findMoved(move, offset, reference.length);
      if (move === undefined || to === undefined) break;
      volume = move.to.name;
      offset = to;
    }
    return { volume, offset };
  }

  /**
   * Reads the checkpoints. Adds to `purged` the volumes for which a checkpoint
   * lists a purged path.
   *
   * @returns The volume of each checkpoint, by the name of the checkpoint.
   */
  async #readCheckpoints(purged: Set<string>): Promise<Map<string, string>> {
    const volumes = new Map<string, string>();
    for (const name of this.#found.stored.keys()) {
      if (!name.startsWith(CHECKPOINTS)) continue;
      try {
        const { object, contents } = await readCheckpoint(this.#storage, name);
        volumes.set(name, object.name);
        if (contents.some(({ path }) => this.#paths.includes(path))) {
          purged.add(object.name);
        }
      } catch (error) {
        if (!isUnreadable(error)) throw error;
        this.#left.add(name);
      }
    }
    return volumes;
  }

  /**
   * Adds to `purged` the volumes and signatures that have a member with a
   * purged path. Some of these volumes belong to snapshots that were removed
   * earlier, so no tree names them. Does nothing if the option `quick` is set.
   */
  async #scan(purged: Set<string>): Promise<void> {
    const { quick = false, onProgress } = this.#options;
    if (quick) return;
    const names = [...this.#found.stored.keys()]
      .filter((name) => /^(?:volumes|signatures)\//.test(name))
      .filter((name) => !purged.has(name));
    for (const [done, name] of names.entries()) {
      onProgress?.({ phase: "scanning", done, all: names.length });
      try {
        if (await this.#hasMember(name)) purged.add(name);
      } catch (error) {
        if (!isUnreadable(error)) throw error;
        this.#left.add(name);
      }
    }
  }

  async #hasMember(name: string): Promise<boolean> {
    const plain = codecOf(name).decompress(this.#storage.get(name), {
      object: name,
    });
    const isOfSignatures = name.startsWith("signatures/");
    for await (const { member } of readTar(plain, { object: name })) {
      if (isOfSignatures && this.#paths.includes(member.path)) return true;
      for (const folder of Object.values(FOLDERS)) {
        const start = `${folder}/`;
        if (!member.path.startsWith(start)) continue;
        const path = member.path.slice(start.length);
        if (this.#paths.includes(path)) return true;
      }
    }
    return false;
  }

  /** Finds the objects to delete, and the volumes to rewrite. */
  async #plan(
    usage: Usage,
    purged: ReadonlySet<string>,
    checkpoints: readonly string[],
  ): Promise<
    { going: Set<string>; rewrites: { name: string; ranges: KeptRange[] }[] }
  > {
    const found = this.#found;
    const now = Date.now();
    const { garbage } = findCandidates(found, usage, {
      now,
      since: now,
      grace: Infinity,
      isTimeSure: true,
      repackBelow: 0,
      running: this.#running,
    });
    const going = new Set(
      garbage.filter(({ condemned }) => condemned).map(({ name }) => name),
    );
    const shared = new Map<string, VolumeUse>();
    for (const name of [...purged, ...checkpoints]) {
      if (!found.stored.has(name) || going.has(name)) continue;
      const use = usage.volumes.get(name);
      if (this.#running.has(idOfObject(name) ?? "")) this.#left.add(name);
      else if (use === undefined || !(use.rank > 0)) going.add(name);
      // A volume is kept if it is needed but no layer or move records its
      // SHA-256, because then a layer or move may be forged.
      else if (use.record === undefined) this.#left.add(name);
      else shared.set(name, use);
    }
    for await (const { name } of this.#storage.list(DAMAGED)) {
      if (this.#isOfPurged(name.slice(DAMAGED.length))) going.add(name);
    }
    const needed = await this.#neededPositions(shared);
    const rewrites = [...shared].map(([name, use]) => ({
      name,
      ranges: rangesOf(name, use, needed.get(name)),
    }));
    return { going, rewrites };
  }

  /**
   * Returns whether an object in `damaged/` may contain purged content, or is
   * the record of a replaced snapshot.
   */
  #isOfPurged(name: string): boolean {
    if (/^(?:trees|volumes|signatures|checkpoints)\//.test(name)) return true;
    return this.#replaced.some(({ id }) => name.includes(id));
  }

  /**
   * Returns the positions of the needed contents in the ranges of volumes. The
   * keys of the outer map are the names of the volumes, and those of the inner
   * maps are the offsets of the ranges in the volume, in bytes. A position is
   * the offset of a content in the decompressed range, in bytes.
   */
  async #neededPositions(
    volumes: ReadonlyMap<string, unknown>,
  ): Promise<Map<string, Map<number, Set<number>>>> {
    const needed = new Map<string, Map<number, Set<number>>>();
    for (const name of volumes.keys()) needed.set(name, new Map());
    if (volumes.size === 0) return needed;
    await findUsage(this.#staying, {
      ...this.#reading(),
      onLine: (line) => {
        if (line.kind !== "file") return;
        for (const piece of [...line.content, line.signature]) {
          if (!piece) continue;
          const { volume, offset } = this.#placeOf(piece);
          const ranges = needed.get(volume);
          if (ranges === undefined) continue;
          const positions = ranges.get(offset) ?? new Set();
          ranges.set(offset, positions.add(piece.reference.skip));
        }
      },
    });
    return needed;
  }

  async #mark(names: readonly string[]): Promise<void> {
    const now = Date.now();
    await putMark(this.#store.storage, this.#id, {
      time: now,
      objects: names.filter((name) => this.#found.stored.has(name))
        .map((name) => ({ name, since: now, condemned: true })),
      runs: [],
      purged: this.#replaced.flatMap(({ id, record }) => [
        id,
        ...(record?.layers ?? []).flatMap(({ name }) => idOfObject(name) ?? []),
      ]),
    });
  }

  /**
   * Deletes the notes about the replaced snapshots and the mark of this purge,
   * unless something is left for the next purge.
   */
  async #end(isMarked: boolean): Promise<void> {
    if (this.#left.size > 0) return;
    const { storage } = this.#store;
    for (const { id } of this.#replaced) {
      await deleteNotes(storage, id);
      await storage.delete(noteName(REMOVED, id));
    }
    if (isMarked) await storage.delete(noteName(GARBAGE, this.#id));
  }
}

/** Returns whether an error means that a stored object cannot be read. */
function isUnreadable(error: unknown): boolean {
  return isDamage(error) || codeOf(error) === "unsupported";
}

/**
 * Returns the needed ranges of a volume. If a range can have several contents,
 * its callback `change` blanks those that are not needed.
 */
function rangesOf(
  name: string,
  use: VolumeUse,
  needed: ReadonlyMap<number, ReadonlySet<number>> | undefined,
): KeptRange[] {
  const ranges: KeptRange[] = [];
  const sorted = [...use.ranges].filter(([, { rank }]) => rank > 0)
    .sort(([a], [b]) => a - b);
  for (const [offset, { length }] of sorted) {
    const last = ranges.at(-1);
    if (last !== undefined && offset < last.offset + last.length) {
      // Ranges overlap only if a layer is forged. They are kept unchanged, as
      // a single range.
      last.length = Math.max(last.length, offset + length - last.offset);
      delete last.change;
      continue;
    }
    const positions = needed?.get(offset);
    ranges.push({
      offset,
      length,
      ...length <= MAX_SHARED_BYTES && {
        change: (bytes: Uint8Array) =>
          blankContents(
            bytes,
            codecOf(name),
            (position) => positions?.has(position) ?? true,
            name,
          ),
      },
    });
  }
  return ranges;
}
