/**
 * Pruning: removing snapshots by rules, and freeing the space that nothing
 * needs.
 *
 * `retention.ts` judges the snapshots by a policy, `size_limit.ts` by a maximum
 * size, and `clock.ts` decides whether this machine's clock is trusted.
 * `removed.ts` removes a snapshot so that it can be brought back. `defaults.ts`
 * has the default times and shares.
 *
 * `collect_garbage.ts` frees space in two phases. It reads the state of the
 * repository (`repository_state.ts`: first what is stored, then the records,
 * then the intents of runs), declares silent runs dead (`dead_runs.ts`), and
 * finds what every kept snapshot and run needs (`usage.ts`). Every other object
 * becomes a candidate (`candidates.ts`) and is marked. Objects whose mark is older than
 * the grace period are condemned, and so are those that only purged snapshots
 * needed. Those that nothing has come to need in the meantime
 * (`newly_needed.ts`) are deleted, and volumes of which little is needed are
 * repacked (`collect_work.ts`, `repack.ts`).
 *
 * The lease (`lease.ts`) keeps two prunes from doing the same work. Safety does
 * not depend on it: `../runs/run.ts` explains how snapshots and prunes find out
 * about each other. `free_space.ts` frees space on a disk that is full.
 *
 * @module
 */
import { checkAborted } from "../../bytes/abort.ts";
import { withJson } from "../../tree/to_json.ts";
import { freedByRank } from "./candidates.ts";
import {
  type Collected,
  collectGarbage,
  layerOptions,
} from "./collect_garbage.ts";
import { isFull, makeRoom } from "./free_space.ts";
import { newId } from "../format/names.ts";
import {
  DEFAULT_GRACE_MS,
  DEFAULT_PATIENCE_MS,
  DEFAULT_REPACK_BELOW,
} from "./defaults.ts";
import { Lease, waitsFor, type Watched } from "./lease.ts";
import { type RemovedSnapshot, removeSnapshot } from "./removed.ts";
import type { Store } from "../store/store.ts";
import { judge, type Judgement, type RetentionPolicy } from "./retention.ts";
import { timeNotBehind } from "../format/plausible_times.ts";
import { readState, rootsOfRunningWork } from "./repository_state.ts";
import { ALWAYS, applyMoves, findUsage } from "./usage.ts";

/**
 * The age at which an unfinished upload counts as dead, in milliseconds: one
 * day.
 */
const MAX_UPLOAD_MS = 24 * 60 * 60 * 1000;

/** Options for pruning. */
export interface PruneOptions {
  /**
   * The grace period, in milliseconds. During it, `undelete` can bring back
   * removed snapshots, and later snapshots can take over the objects of
   * interrupted snapshots. Default: 7 days.
   */
  grace?: number;
  /**
   * The share of needed bytes, from 0 to 1, below which a volume is repacked.
   * Default: 0.5.
   */
  repackBelow?: number;
  /**
   * The time for which another prune or run without a sign of life is watched
   * before it counts as dead, in milliseconds. Default: 45 seconds, three
   * heartbeats.
   */
  patience?: number;
  /**
   * Called with the progress: before another prune or run is watched, after
   * each layer that is read and each object that is deleted, and before each
   * volume that is repacked.
   */
  onProgress?: (progress: PruneProgress) => void;
  /**
   * Ends the work with an error of code `aborted`. The next prune continues the
   * work.
   */
  signal?: AbortSignal;
}

/** The progress of a prune. */
export interface PruneProgress {
  /**
   * The current phase. In the phase `waiting`, another prune or run is watched
   * that may have died.
   */
  phase: "waiting" | "reading" | "deleting" | "repacking";
  /** The number of layers, objects or volumes that are done. */
  done: number;
  /** The number of all layers, objects or volumes of the phase. */
  all: number;
  /** In the phase `waiting`: the prune or runs that are watched. */
  waitsFor?: Watched;
}

/** The changes that a prune would make. */
export interface PrunePlan {
  /** The judgement of the policy on each snapshot, the oldest first. */
  judgements: Judgement[];
  /**
   * For each snapshot that would be removed, by its id, the number of bytes
   * that are freed when its grace period is over, in addition to those that the
   * snapshots before it free.
   */
  frees: ReadonlyMap<string, number>;
  /** The snapshots that were removed before, and can still be brought back. */
  removed: RemovedSnapshot[];
  /** The number of bytes that are freed when all grace periods are over. */
  freed: number;
  /**
   * The total size of all layers, volumes, checkpoints and moves before the
   * prune, in bytes.
   */
  stored: number;
}

/** The result of a prune. */
export interface PruneResult extends Collected {
  /** The judgement of the policy on each snapshot, the oldest first. */
  judgements: Judgement[];
}

/**
 * Returns options with their defaults filled in.
 *
 * @throws {RangeError} If an option is out of range.
 */
export function withDefaults(options: PruneOptions): Required<
  Pick<PruneOptions, "grace" | "repackBelow" | "patience">
> {
  const {
    grace = DEFAULT_GRACE_MS,
    repackBelow = DEFAULT_REPACK_BELOW,
    patience = DEFAULT_PATIENCE_MS,
  } = options;
  if (!(grace >= 0) || !(patience >= 0)) {
    throw new RangeError(
      `grace and patience must be 0 or more milliseconds: ${grace}, ${patience}`,
    );
  }
  if (!(repackBelow >= 0 && repackBelow <= 1)) {
    throw new RangeError(`repackBelow must be between 0 and 1: ${repackBelow}`);
  }
  return { grace, repackBelow, patience };
}

/** Plans a prune. See `Repository.planPrune`. */
export async function planPrune(
  store: Store,
  policy: RetentionPolicy,
  options: PruneOptions,
): Promise<PrunePlan> {
  const { repackBelow } = withDefaults(options);
  const found = await readState(store, options.signal);
  const judgements = judge(found.records, policy);
  const going = judgements.filter(({ keep }) => !keep);
  const staying = judgements.filter(({ keep }) => keep);
  const usage = await findUsage([
    ...found.removed.map(({ record }) => ({
      layers: record?.layers ?? [],
      rank: 0,
    })),
    ...going.map(({ record: { layers } }, at) => ({ layers, rank: at + 1 })),
    ...staying.map(({ record: { layers } }) => ({ layers, rank: ALWAYS })),
    ...rootsOfRunningWork(found),
  ], layerOptions(store, options));
  applyMoves(usage, found.moves, found.stored);
  const freed = freedByRank(found, usage, repackBelow);
  const total = (bytes: Iterable<number>) =>
    [...bytes].reduce((sum, size) => sum + size, 0);
  return {
    judgements,
    frees: withJson(
      new Map(
        going.map(({ record }, at) => [record.id, freed.get(at + 1) ?? 0]),
      ),
    ),
    removed: found.removed,
    freed: total(freed.values()) - (freed.get(ALWAYS) ?? 0),
    stored: total(found.stored.values()),
  };
}

/** Prunes a repository. See `Repository.prune`. */
export async function prune(
  store: Store,
  policy: RetentionPolicy,
  options: PruneOptions,
): Promise<PruneResult> {
  const all = { ...options, ...withDefaults(options) };
  try {
    return await pruneOnce(store, policy, all);
  } catch (error) {
    if (!isFull(error)) throw error;
    const judgements = judge(await store.records(), policy);
    // With a grace period, a removal stores a note and needs space for it, so
    // only snapshots that were removed before can be purged.
    const going = all.grace > 0
      ? []
      : judgements.flatMap(({ record, keep }) => keep ? [] : [record]);
    const freed = await makeRoom(store, going, all, error);
    const result = await pruneOnce(store, policy, all);
    return {
      ...result,
      judgements,
      purged: [...freed.purged, ...result.purged],
      deleted: freed.deleted + result.deleted,
      freed: freed.freed + result.freed,
    };
  }
}

async function pruneOnce(
  store: Store,
  policy: RetentionPolicy,
  options: PruneOptions & ReturnType<typeof withDefaults>,
): Promise<PruneResult> {
  const { storage } = store;
  const id = newId(Date.now(), Math.random());
  checkAborted(options.signal);
  await using lease = await Lease.take(storage, id, {
    ...options,
    onWait: (holder) => options.onProgress?.(waitsFor(holder, options)),
  });
  const { signal } = options;
  const records = await store.records({ signal });
  const judgements = judge(records, policy);
  const time = timeNotBehind(records);
  for (const { record, keep } of judgements) {
    checkAborted(options.signal);
    if (!keep) await removeSnapshot(store, record.id, "policy", time);
  }
  const collected = await collectGarbage(store, lease, id, options);
  await storage.tidy?.(Date.now() - MAX_UPLOAD_MS);
  return { judgements, ...collected };
}
