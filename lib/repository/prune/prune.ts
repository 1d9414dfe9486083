/**
 * Pruning: removing snapshots by rules, and deleting objects that are no longer
 * needed.
 *
 * `retention.ts` chooses the snapshots to keep by a policy, `size_limit.ts`
 * chooses them by a maximum size, and `clock.ts` decides whether this machine's
 * clock is trusted. An attacker who can only add snapshots must not be able to
 * make a prune remove the snapshots of others. So `late.ts` finds snapshots
 * whose ids may be forged. It uses the parents of later snapshots and the lists
 * of earlier prunes (`judged.ts`). `unusual.ts` finds unusual changes. If there
 * are any, a prune asks the caller before it removes snapshots. `removed.ts`
 * removes a snapshot so that it can be brought back. `defaults.ts` defines the
 * default times and limits.
 *
 * `collect_garbage.ts` frees space. It reads the state of the repository
 * (`repository_state.ts`: first the list of objects, then the records, then the
 * intents of runs) and declares silent runs dead (`dead_runs.ts`). It finds the
 * objects that kept snapshots and runs need (`usage.ts`). Every other object
 * becomes a candidate (`candidates.ts`) and is marked. An object is condemned
 * if its mark is older than the grace period, or if only removed snapshots
 * whose grace period is over needed it. Condemned objects that are still not
 * needed (`newly_needed.ts`) are deleted, and volumes with only a small needed
 * share are repacked (`collect_work.ts`, `repack.ts`).
 *
 * The lease (`lease.ts`) prevents two prunes from doing the same work, and a
 * suspended prune from deleting what a copy has stored again. Snapshots do not
 * depend on the lease: `../runs/run.ts` explains how snapshots and prunes find
 * out about each other. `free_space.ts` frees space on a full disk.
 *
 * @module
 */
import { outcomeOf } from "../../bytes/outcome.ts";
import { together } from "../../bytes/together.ts";
import { checkAborted } from "../../bytes/abort.ts";
import { DeltarError } from "../../bytes/errors.ts";
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
import {
  canBeUndeleted,
  type RemovedSnapshot,
  removeSnapshot,
} from "./removed.ts";
import type { SnapshotRecord } from "../format/snapshot_record.ts";
import type { Store } from "../store/store.ts";
import { untilAborted } from "../../storage/until_aborted.ts";
import {
  groupSnapshots,
  isEmptyPolicy,
  judgeGroups,
  type Judgement,
  type JudgeOptions,
  type RetentionPolicy,
  type SnapshotGroup,
} from "./retention.ts";
import {
  countedByAll,
  type Judged,
  readJudged,
  replaceJudged,
  type StoredJudged,
} from "./judged.ts";
import {
  busiestBefore,
  describeUnusual,
  findUnusual,
  type Unusual,
} from "./unusual.ts";
import { timeNotBehind } from "../format/plausible_times.ts";
import {
  readState,
  rootsOfRunningWork,
  startState,
} from "./repository_state.ts";
import { ALWAYS, applyMoves, findUsage, REPLACED } from "./usage.ts";

/**
 * The maximum age of an unfinished upload, in milliseconds: one day. Older
 * uploads are considered interrupted and are deleted.
 */
const MAX_UPLOAD_MS = 24 * 60 * 60 * 1000;

/** Options for pruning. */
export interface PruneOptions extends Pick<JudgeOptions, "isTrusted"> {
  /**
   * The grace period, in milliseconds. During this time, `undelete` can bring
   * back removed snapshots, and later snapshots can take over the objects of
   * interrupted snapshots. Default: 7 days.
   */
  grace?: number;
  /**
   * The share of needed bytes, from 0 to 1, below which a volume is repacked.
   * Default: 0.5.
   */
  repackBelow?: number;
  /**
   * The time for which another prune or run without a heartbeat is watched
   * before it is considered dead, in milliseconds. Default: 45 seconds, which
   * is three heartbeat intervals.
   */
  patience?: number;
  /**
   * Called with the progress before another prune or run is watched, after each
   * layer is read, after each object is deleted, and before each volume is
   * repacked.
   */
  onProgress?: (progress: PruneProgress) => void;
  /**
   * Called with the unusual changes before anything is removed, if the new
   * snapshots of a directory are unusual and good snapshots could therefore be
   * lost. Returns whether to remove snapshots nevertheless. Without this
   * callback, nothing is removed, and an error with the code `unsafe` is
   * thrown.
   */
  onUnusual?: (unusual: readonly Unusual[]) => boolean | Promise<boolean>;
  /**
   * The signal that ends the work with an error of code `aborted`. The next
   * prune continues the work.
   */
  signal?: AbortSignal;
}

/** The progress of a prune. */
export interface PruneProgress {
  /**
   * The current phase. In the phase `waiting`, the prune watches another prune
   * or runs to find out whether they are dead.
   */
  phase: "waiting" | "reading" | "deleting" | "repacking";
  /**
   * The number of layers, objects or volumes that have been processed so far in
   * this phase.
   */
  done: number;
  /** The total number of layers, objects or volumes in this phase. */
  all: number;
  /**
   * The other prune, or the runs, that this prune watches. Present only in the
   * phase `waiting`.
   */
  waitsFor?: Watched;
}

/** The changes that a prune would make. */
export interface PrunePlan {
  /** The judgement on each snapshot, the oldest first. */
  judgements: Judgement[];
  /**
   * The unusual changes. If there are any, a prune removes no snapshot unless
   * `onUnusual` returns true.
   */
  unusual: Unusual[];
  /**
   * For each snapshot that the prune would remove, by its id: the number of
   * bytes that are freed when its grace period is over. Bytes that several of
   * these snapshots need are counted only for the newest of them.
   */
  frees: ReadonlyMap<string, number>;
  /** The snapshots that were removed earlier and can still be brought back. */
  removed: RemovedSnapshot[];
  /**
   * The number of bytes that this prune and later ones free by the end of all
   * grace periods.
   */
  freed: number;
  /**
   * The total size of all layers, volumes, checkpoints and moves before the
   * prune, in bytes.
   */
  stored: number;
}

/** The result of a prune. */
export interface PruneResult extends Collected {
  /** The judgement on each snapshot, the oldest first. */
  judgements: Judgement[];
}

/**
 * Returns the options `grace`, `repackBelow` and `patience`, with defaults for
 * those that are not set.
 *
 * @throws {RangeError} If one of these options is out of range.
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
      `\`grace\` (${grace}) and \`patience\` (${patience}) must be 0 or more ` +
        "milliseconds",
    );
  }
  if (!(repackBelow >= 0 && repackBelow <= 1)) {
    throw new RangeError(
      `\`repackBelow\` must be between 0 and 1: ${repackBelow}`,
    );
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
  const { judgements, unusual } = await judgeStored(
    store,
    found.records,
    policy,
    options,
  );
  const going = judgements.filter(({ keep }) => !keep);
  const staying = judgements.filter(({ keep }) => keep);
  const usage = await findUsage([
    ...found.removed.map((one) => ({
      layers: one.record?.layers ?? [],
      rank: canBeUndeleted(one) ? 0 : REPLACED,
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
    unusual,
    frees: withJson(
      new Map(
        going.map(({ record }, at) => [record.id, freed.get(at + 1) ?? 0]),
      ),
    ),
    removed: found.removed.filter(canBeUndeleted),
    freed: total(freed.values()) - (freed.get(ALWAYS) ?? 0) -
      (freed.get(REPLACED) ?? 0),
    stored: total(found.stored.values()),
  };
}

/** Prunes a repository. See `Repository.prune`. */
export async function prune(
  store: Store,
  policy: RetentionPolicy,
  options: PruneOptions,
): Promise<PruneResult> {
  let isAccepted = false;
  const all = {
    ...options,
    ...withDefaults(options),
    // The caller is asked only once, even if the prune is tried again.
    onUnusual: async (unusual: readonly Unusual[]) =>
      isAccepted ||= await options.onUnusual?.(unusual) ?? false,
  };
  try {
    return await pruneOnce(store, policy, all);
  } catch (error) {
    if (!isFull(error)) throw error;
    const records = await store.records();
    const { judgements, unusual } = await judgeStored(
      store,
      records,
      policy,
      all,
    );
    await checkUnusual(unusual, all);
    // The disk is full, so there is no space for the notes of new removals. If
    // there is a grace period, only snapshots that were removed earlier can be
    // purged.
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
  const [tidied, taken] = await together([
    // If the unfinished uploads cannot be deleted, the prune still does the
    // rest of its work, and then throws the error.
    outcomeOf(Promise.resolve(storage.tidy?.(Date.now() - MAX_UPLOAD_MS))),
    Lease.take(storage, id, {
      ...options,
      onWait: (holder) => options.onProgress?.(waitsFor(holder, options)),
    }),
  ]);
  await using lease = taken;
  const { signal } = options;
  const [state, stored] = await together([
    startState(store, signal),
    readJudged(untilAborted(storage, signal)),
  ]);
  const { records } = state;
  const { judgements, unusual, groups } = await judgeStored(
    store,
    records,
    policy,
    options,
    stored,
  );
  await checkUnusual(unusual, options);
  const time = timeNotBehind(records);
  const going = judgements.filter(({ keep }) => !keep);
  for (const { record } of going) {
    checkAborted(signal);
    await removeSnapshot(store, record.id, "policy", time);
  }
  // The state is outdated if snapshots were removed. It may also be outdated if
  // the caller was asked about unusual changes, because the answer can take a
  // long time.
  const isCurrent = going.length === 0 && unusual.length === 0;
  const known = isCurrent ? state : undefined;
  const collected = await collectGarbage(store, lease, id, options, known);
  if (!isEmptyPolicy(policy)) {
    const judged = nextJudged(groups, stored, collected, unusual.length > 0);
    await replaceJudged(storage, id, judged, stored);
  }
  if (tidied.error !== undefined) throw tidied.error;
  return { judgements, ...collected };
}

/**
 * Applies a policy to the snapshots of a repository. `records` must contain the
 * records of all snapshots. `stored` contains the lists of the snapshots that
 * earlier prunes counted. Without `stored`, these lists are read.
 */
async function judgeStored(
  store: Store,
  records: readonly SnapshotRecord[],
  policy: RetentionPolicy,
  options: PruneOptions,
  stored?: StoredJudged,
): Promise<{
  judgements: Judgement[];
  unusual: Unusual[];
  groups: SnapshotGroup[];
}> {
  const { isTrusted = await store.trusted(records), signal } = options;
  const { lists: judged } = stored ??
    await readJudged(untilAborted(store.storage, signal));
  const groups = groupSnapshots(records, { isTrusted, judged });
  const judgements = judgeGroups(records, groups, policy);
  const going = new Set(
    judgements.flatMap(({ record, keep }) => keep ? [] : [record]),
  );
  const isGoing = (record: SnapshotRecord) => going.has(record);
  const unusual = findUnusual(groups, isGoing, policy.last ?? 0);
  return { judgements, unusual, groups };
}

/**
 * Asks the caller whether to remove snapshots in spite of unusual changes.
 *
 * @param unusual The unusual changes. If there are none, the caller is not
 * asked, and no error is thrown.
 * @param options The options of the prune.
 * @throws {DeltarError} `unsafe` if the caller refuses, or if `onUnusual` is
 * not set.
 */
export async function checkUnusual(
  unusual: readonly Unusual[],
  { onUnusual }: PruneOptions,
): Promise<void> {
  if (unusual.length === 0 || await onUnusual?.(unusual)) return;
  throw new DeltarError(
    "unsafe",
    `nothing was removed, because new snapshots are unusual: ` +
      `${unusual.map(describeUnusual).join("; ")}; look at the new snapshots ` +
      "with `deltar list`, and remove bad ones with `deltar forget`, or repeat " +
      "the command with `--accept-unusual` if all are good",
  );
}

/**
 * Returns the list of counted snapshots for later prunes. It contains the
 * snapshots that the rules count now. It also contains the snapshots that are
 * in all earlier lists, except for those that can no longer be brought back.
 * The rules may count a snapshot of the earlier lists again after the snapshot
 * is brought back, or after the removal of a forged snapshot that prevented
 * the rules from counting it.
 */
function nextJudged(
  groups: readonly SnapshotGroup[],
  { lists }: StoredJudged,
  { removed, purged }: Collected,
  isAccepted: boolean,
): Judged {
  const next: Judged = { taken: new Map(), saved: new Map() };
  const byKey = new Map(groups.map((group) => [group.key, group]));
  const there = new Set([
    ...groups.flatMap(({ taken, saved }) => [...taken.all, ...saved.all])
      .map(({ record }) => record.id),
    ...removed.map(({ id }) => id),
  ]);
  for (const id of purged) there.delete(id);
  for (const kind of ["taken", "saved"] as const) {
    const keys = new Set([
      ...byKey.keys(),
      ...lists.flatMap((list) => [...list[kind].keys()]),
    ]);
    for (const key of [...keys].sort()) {
      const { counted, judged } = byKey.get(key)?.[kind] ?? {
        counted: [],
        judged: lists.flatMap((list) => list[kind].get(key) ?? []),
      };
      const times = [
        ...countedByAll(judged),
        ...counted.map(({ record: { id, time } }) => [id, time] as const),
      ];
      next[kind].set(key, {
        times: new Map(
          times.filter(([id]) => there.has(id))
            .sort(([a], [b]) => a < b ? -1 : 1),
        ),
        busiest: kind === "saved"
          ? 0
          : busiestBefore({ counted, judged }, isAccepted),
      });
    }
  }
  return next;
}
