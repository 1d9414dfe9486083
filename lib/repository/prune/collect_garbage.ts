import type { Storage } from "../../storage/storage.ts";
import {
  COPIED,
  GARBAGE,
  idOfObject,
  newId,
  noteName,
  TREES,
} from "../format/names.ts";
import { readMove } from "../content/follow_moves.ts";
import { LayerReader } from "../layers/layer_reader.ts";
import { deleteEach, isStored, namesUnder } from "../format/note.ts";
import type { Store } from "../store/store.ts";
import { forgetFreshRestores } from "../store/fresh_restore.ts";
import { LABELS, PROOFS, RESTORES } from "../format/snapshot_note.ts";
import { type Candidates, findCandidates, runningIds } from "./candidates.ts";
import { CollectWork } from "./collect_work.ts";
import { findLeap } from "./clock.ts";
import { buryDeadRuns } from "./dead_runs.ts";
import { type GarbageLine, putMark } from "../runs/garbage_mark.ts";
import { type Lease, waitsFor } from "./lease.ts";
import type { PruneOptions } from "./prune.ts";
import {
  canBeUndeleted,
  deleteExpired,
  isReplaced,
  type RemovedSnapshot,
} from "./removed.ts";
import { timeNotBehind } from "../format/plausible_times.ts";
import { DEFAULT_SAFETY_MS } from "./defaults.ts";
import { findNewlyNeeded } from "./newly_needed.ts";
import {
  type KnownState,
  readState,
  type RepositoryState,
  rootsOfRunningWork,
} from "./repository_state.ts";
import {
  ALWAYS,
  applyMoves,
  findUsage,
  REPLACED,
  type Usage,
  type UsageOptions,
} from "./usage.ts";

/** The result of a garbage collection. */
export interface Collected {
  /**
   * The ids of the removed snapshots whose records were deleted. They can no
   * longer be brought back.
   */
  purged: string[];
  /** The removed snapshots that can be brought back. */
  removed: RemovedSnapshot[];
  /** The number of objects that were deleted, not counting repacked volumes. */
  deleted: number;
  /** The number of volumes that were repacked. */
  repacked: number;
  /** The number of bytes that were freed. */
  freed: number;
  /**
   * The number and total size in bytes of the garbage whose grace period is not
   * over.
   */
  waiting: { objects: number; bytes: number };
  /** The ids of interrupted runs that were declared dead. */
  dead: string[];
  /** The names of the needed volumes that were missing before this prune. */
  missing: string[];
  /** The names of damaged volumes that were kept instead of being repacked. */
  damaged: string[];
  /**
   * Whether the clock was not trusted while something was waiting for the end
   * of a grace period. The clock is not trusted if its time is far ahead of the
   * times recorded in the repository. This prune then treats no grace period as
   * over. The next prune trusts the clock, unless its time is far ahead again.
   */
  isClockDoubted: boolean;
  /**
   * The total size of all layers, volumes, checkpoints and moves after the
   * prune, in bytes.
   */
  stored: number;
}

/** The options of a prune with their defaults filled in. */
type Options =
  & PruneOptions
  & Required<Pick<PruneOptions, "grace" | "repackBelow" | "patience">>;

/**
 * Collects garbage. "Removing" in docs/FORMAT.md explains the order of the
 * steps and why they are safe while snapshots are being taken.
 *
 * @param store The repository.
 * @param lease The lease, which is checked before irreversible steps.
 * @param id The id of this prune.
 * @param options The options of the prune.
 * @param known The first part of the repository's state, if the prune has read
 * it and has removed no snapshot since then.
 */
export async function collectGarbage(
  store: Store,
  lease: Lease,
  id: string,
  options: Options,
  known?: KnownState,
): Promise<Collected> {
  const { storage } = store;
  const { grace } = options;
  const now = Date.now();
  const found = await readState(store, options.signal, known);
  const leap = grace === 0 ? undefined : findLeap(found, now, grace);
  const isTimeSure = leap === undefined;
  const { alive, seen, dead } = await buryDeadRuns(storage, found, {
    ...options,
    now,
    isTimeSure,
    onWait: (ids) => options.onProgress?.(waitsFor({ ids }, options)),
  });
  // The snapshots that an interrupted purge replaced must stay until the purge
  // is finished.
  const isExpired = (one: RemovedSnapshot) =>
    !isReplaced(one) &&
    (grace === 0 || isTimeSure && one.time + grace <= now);
  const expired = found.removed.filter(isExpired);
  const removed = found.removed.filter((one) => !isExpired(one));
  const grounds = rootsOfRunningWork(found, alive);
  const usage = await readUsage(store, found, expired, grounds, options);
  const candidates = findCandidates(found, usage, {
    ...options,
    now,
    since: timeNotBehind(found.records),
    isTimeSure,
    running: runningIds(alive),
  });
  const { garbage, repack, missing } = candidates;

  const purged = purgedIds(found, expired);
  const isMarked =
    garbage.length + repack.length + seen.length + expired.length > 0;

  // The lease is checked before a mark is written, and before marks, records or
  // garbage are deleted.
  if (isMarked || found.markNames.length > 0 || !isTimeSure) {
    await lease.check();
  }
  // The mark is written before intents are read again, so that a run whose
  // intent is written later finds the mark.
  if (isMarked) {
    await putMark(storage, id, {
      time: now,
      ...marked(candidates, now),
      runs: seen,
      purged,
    });
  }
  const kept = await deleteExpired(storage, expired);
  const isFreeing = repack.length > 0 ||
    garbage.some(({ condemned }) => condemned);
  // Objects that became needed after the state was read are searched for only
  // if an object is about to be deleted or repacked.
  const spared = isFreeing
    ? await findNewlyNeeded(store, found, {
      grounds,
      expired,
      signal: options.signal,
    })
    : () => false;

  const work = new CollectWork(store, lease, id, found, options);
  const isGoing = ({ name, condemned }: GarbageLine) =>
    condemned && !spared(name);
  const going = garbage.filter(isGoing).map(({ name }) => name);
  await work.delete(going);
  // If some layers of a removed snapshot are missing, it is not known which
  // parts of volumes the snapshot needs. So no volume is repacked while the
  // snapshot is kept.
  const isCut = removed.some((one) => one.isCut && !isReplaced(one));
  const repacked = isCut ? [] : repack.filter(({ name }) => !spared(name));
  await work.repack(repacked, usage);

  if (work.deleted + work.repacked > 0) {
    await store.manifests?.tidy(async (signer) =>
      await store.trustOfSigner(signer) === "trusted"
    );
  }
  // A snapshot may have been brought back after the state was read.
  const back = new Set([
    ...kept,
    ...expired.length > 0 ? await store.ids(options.signal) : [],
  ]);
  const gone = expired.filter(({ id }) => !back.has(id));
  for (const { id } of gone) await deleteNotes(storage, id);
  // Old notes about restores are deleted even if the clock is not trusted. If
  // the clock is wrong, some restores into new or empty directories can no
  // longer be undone, but no other data is lost.
  const { restoreNames } = found;
  await forgetFreshRestores(storage, restoreNames, now - DEFAULT_SAFETY_MS);
  // A prune whose lease was taken over may still delete the objects that it
  // condemned. So the new mark lists spared objects as condemned, too.
  const waiting = garbage.filter((line) => !isGoing(line));
  const remaining = withObjects(
    purged.filter((id) => !back.has(id)),
    { ...found, removed, intents: alive },
    { going, waiting },
  );
  // If a grace period is still running, a mark tells the next prune that the
  // clock was not trusted.
  const isDoubted = !isTimeSure &&
    waiting.length + seen.length + removed.length > 0;
  if (waiting.length + seen.length + remaining.length > 0 || isDoubted) {
    // The id of the new mark must differ from that of this prune's first mark,
    // even if the prune took less than a millisecond.
    const next = newId(Math.max(Date.now(), now + 1), Math.random());
    await putMark(storage, next, {
      time: now,
      objects: waiting,
      runs: seen,
      purged: remaining,
      leap,
    });
  }
  await deleteEach(storage, [
    ...isMarked ? [noteName(GARBAGE, id)] : [],
    ...found.markNames,
  ]);
  const sizes = (names: Iterable<string>) =>
    [...names].reduce((sum, name) => sum + (found.stored.get(name) ?? 0), 0);
  return {
    purged: gone.map(({ id }) => id),
    removed: removed.filter(canBeUndeleted),
    deleted: work.deleted,
    repacked: work.repacked,
    freed: work.freed,
    waiting: {
      objects: waiting.length,
      bytes: sizes(waiting.map(({ name }) => name)),
    },
    dead,
    missing: await stillMissing(storage, missing),
    damaged: work.damaged,
    isClockDoubted: isDoubted,
    stored: sizes(found.stored.keys()) - work.freed,
  };
}

/**
 * Returns options that make `findUsage` read the layers from the repository and
 * report the progress.
 *
 * @param store The repository.
 * @param options The callback for the progress, and the signal.
 */
export function layerOptions(
  { storage }: Store,
  { onProgress, signal }: PruneOptions,
): UsageOptions {
  return {
    read: (record) => new LayerReader(storage, record).parts({ signal }),
    onLayer: (done, all) => onProgress?.({ phase: "reading", done, all }),
    signal,
  };
}

/**
 * Finds the objects that snapshots and live runs need. Expired snapshots have
 * rank 0, other removed snapshots that can no longer be brought back have rank
 * `REPLACED`, and all other snapshots and runs have rank `ALWAYS`.
 *
 * @param store The repository.
 * @param state The state of the repository.
 * @param expired The removed snapshots whose grace period is over.
 * @param grounds The layers that live runs build on.
 * @param options The options of the prune.
 */
export async function readUsage(
  store: Store,
  { stored, records, removed, moves }: RepositoryState,
  expired: readonly RemovedSnapshot[],
  grounds: ReturnType<typeof rootsOfRunningWork>,
  options: PruneOptions,
): Promise<Usage> {
  const usage = await findUsage([
    ...records.map(({ layers }) => ({ layers, rank: ALWAYS })),
    ...removed.map((one) => ({
      layers: one.record?.layers ?? [],
      rank: expired.includes(one) ? 0 : canBeUndeleted(one) ? ALWAYS : REPLACED,
    })),
    ...grounds,
  ], layerOptions(store, options));
  applyMoves(usage, moves, stored);
  return usage;
}

/**
 * Returns the names of the given volumes that are still missing. A volume may
 * have been stored after the objects were listed and before the records were
 * read.
 */
async function stillMissing(
  storage: Storage,
  names: readonly string[],
): Promise<string[]> {
  const missing: string[] = [];
  for (const name of names) {
    const seen = new Set<string>();
    let at: string | undefined = name;
    // A volume may have been moved several times. If its moves form a cycle,
    // the volume is missing.
    while (at !== undefined && !await isStored(storage, at)) {
      const next: string | undefined = (await readMove(storage, at))?.to.name;
      seen.add(at);
      at = next !== undefined && seen.has(next) ? undefined : next;
    }
    if (at === undefined) missing.push(name);
  }
  return missing;
}

/** Deletes the notes about a snapshot that can no longer be brought back. */
export async function deleteNotes(storage: Storage, id: string): Promise<void> {
  const folders = [LABELS, PROOFS, RESTORES].map(({ folder }) => folder);
  for (const folder of [...folders, COPIED]) {
    await deleteEach(storage, await namesUnder(storage, `${folder}${id}.`));
  }
}

/**
 * Returns the ids for the field `purged` of this prune's mark: the ids in the
 * marks of earlier prunes, the ids of the expired snapshots, and the ids of the
 * runs that stored the layers of the expired snapshots.
 */
function purgedIds(
  { marks }: RepositoryState,
  expired: readonly RemovedSnapshot[],
): string[] {
  const ids = new Set(marks.flatMap(({ purged }) => purged));
  for (const { id, record } of expired) {
    ids.add(id);
    for (const { name } of record?.layers ?? []) {
      const owner = idOfObject(name);
      if (owner !== undefined) ids.add(owner);
    }
  }
  return [...ids];
}

/**
 * Returns the ids in `purged` of the snapshots that have no record, but may
 * still have stored objects: layers that live runs may need, or garbage that
 * was not deleted.
 */
function withObjects(
  purged: readonly string[],
  { stored, records, removed, intents }: Pick<
    RepositoryState,
    "stored" | "records" | "removed" | "intents"
  >,
  { going, waiting }: {
    going: readonly string[];
    waiting: readonly GarbageLine[];
  },
): string[] {
  const there = new Set([...records, ...removed].map(({ id }) => id));
  const gone = new Set(going);
  const layers = intents.length === 0
    ? []
    : [...stored.keys()].filter((name) =>
      name.startsWith(TREES) && !gone.has(name)
    );
  const staying = new Set(
    [...layers, ...waiting.map(({ name }) => name)].map(idOfObject),
  );
  return purged.filter((id) => staying.has(id) && !there.has(id));
}

function marked(
  { garbage, repack }: Candidates,
  now: number,
): { objects: Candidates["garbage"] } {
  const rewritten = repack.map(({ name }) => ({
    name,
    since: now,
    condemned: true,
  }));
  return { objects: [...garbage, ...rewritten] };
}
