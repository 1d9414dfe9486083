import { checkAborted } from "../../bytes/abort.ts";
import { DeltarError } from "../../bytes/errors.ts";
import type { Storage } from "../../storage/storage.ts";
import { untilAborted } from "../../storage/until_aborted.ts";
import { isCount } from "../../bytes/is_count.ts";
import { decodeLines, encodeLines } from "../../bytes/listing.ts";
import { freedByRank } from "./candidates.ts";
import {
  type Collected,
  collectGarbage,
  layerOptions,
} from "./collect_garbage.ts";
import {
  idBehind,
  idOfNote,
  LATER_SETTINGS,
  newId,
  noteName,
  timeOfId,
} from "../format/names.ts";
import { Lease, waitsFor } from "./lease.ts";
import { namesUnder, readIfThere } from "../format/note.ts";
import { checkUnusual, type PruneOptions, withDefaults } from "./prune.ts";
import { canBeUndeleted, removeSnapshot } from "./removed.ts";
import type { Store } from "../store/store.ts";
import {
  type CountedSnapshots,
  groupSnapshots,
  type SnapshotGroup,
} from "./retention.ts";
import { readJudged } from "./judged.ts";
import { findUnusual } from "./unusual.ts";
import type { SnapshotRecord } from "../format/snapshot_record.ts";
import { readState, rootsOfRunningWork } from "./repository_state.ts";
import { ALWAYS, applyMoves, findUsage, REPLACED } from "./usage.ts";

/** The result of reducing a repository to its maximum size. */
export interface FitResult {
  /** The maximum size, in bytes. */
  maxSize: number;
  /** The size of the repository before snapshots were removed, in bytes. */
  before: number;
  /** The size of the repository after snapshots were removed, in bytes. */
  after: number;
  /** The snapshots that were removed, in the order of removal. */
  removed: SnapshotRecord[];
  /**
   * The grace period of the removed snapshots, in milliseconds. Their space is
   * freed after the grace period.
   */
  grace: number;
  /**
   * The result of the last garbage collection; `undefined` if the repository
   * was not larger than its maximum size.
   */
  collected: Collected | undefined;
}

const FORMAT = "deltar-settings";
const VERSION = 1;

/**
 * Returns the maximum size in a repository's settings, in bytes, or `undefined`
 * if there are no settings or they have no maximum size.
 *
 * @throws {DeltarError} `corrupt` or `truncated` if the settings are damaged;
 * `limit` if they are too large; `unsupported` if this version of deltar does
 * not know their version.
 */
export async function readBudget(
  storage: Storage,
): Promise<number | undefined> {
  const names = await namesUnder(storage, LATER_SETTINGS);
  const name = names.findLast(settingsId);
  const bytes = name && await readIfThere(storage, name);
  if (!bytes) return undefined;
  const { maxSize } = decodeLines(bytes, FORMAT, VERSION, name).header;
  if (maxSize === undefined || maxSize === null) return undefined;
  if (isCount(maxSize) && maxSize > 0) return maxSize;
  throw new DeltarError("corrupt", "`maxSize` is not a positive integer", {
    object: name,
  });
}

/**
 * Returns the id in the name of a settings object; `undefined` for any other
 * name, or if the time in the id is not plausible. Settings with such a time
 * are ignored.
 */
function settingsId(name = ""): string | undefined {
  const id = idOfNote(LATER_SETTINGS, name);
  return id !== undefined && timeOfId(id) !== undefined ? id : undefined;
}

/**
 * Writes the maximum size into the settings of a repository.
 *
 * @param storage The repository's storage.
 * @param maxSize The maximum size, in bytes; `undefined` removes the maximum.
 * @throws {RangeError} If the size is not a positive integer.
 */
export async function writeBudget(
  storage: Storage,
  maxSize: number | undefined,
): Promise<void> {
  if (maxSize !== undefined) checkBudget(maxSize);
  const old = await namesUnder(storage, LATER_SETTINGS);
  const last = old.findLast(settingsId);
  // Readers use the settings whose id sorts last. So the new id must sort last,
  // even if the clock was set back.
  const id = idBehind(settingsId(last), Date.now(), Math.random(), last);
  const bytes = encodeLines(FORMAT, VERSION, { maxSize }, []);
  await storage.put(noteName(LATER_SETTINGS, id), bytes, { ifAbsent: true });
  for (const name of old) await storage.delete(name);
}

/**
 * Removes snapshots until a repository has at most its maximum size. See
 * `Repository.fit`.
 */
export async function fitBudget(
  store: Store,
  maxSize: number,
  options: PruneOptions,
): Promise<FitResult> {
  checkBudget(maxSize);
  const { storage } = store;
  const before = await sizeOf(untilAborted(storage, options.signal));
  const all = { ...options, ...withDefaults({ grace: 0, ...options }) };
  const result: FitResult = {
    maxSize,
    before,
    after: before,
    removed: [],
    grace: all.grace,
    collected: undefined,
  };
  if (before <= maxSize) return result;
  const id = newId(Date.now(), Math.random());
  {
    // The object of the lease is part of the size of the repository. So the
    // lease is released at the end of this block, before the final size is
    // determined.
    await using lease = await Lease.take(storage, id, {
      ...all,
      onWait: (holder) => options.onProgress?.(waitsFor(holder, all)),
    });
    let gone: SnapshotRecord[];
    do {
      gone = await chooseGoing(store, result.after - maxSize, all);
      for (const record of gone) {
        checkAborted(options.signal);
        await removeSnapshot(store, record.id, "size");
        result.removed.push(record);
      }
      const run = newId(Date.now(), Math.random());
      result.collected = await collectGarbage(store, lease, run, all);
      result.after = await sizeOf(storage);
      // `chooseGoing` only estimates the number of freed bytes, so one round
      // may free too few bytes.
    } while (result.after > maxSize && gone.length > 0);
  }
  result.after = await sizeOf(storage);
  return result;
}

async function sizeOf(storage: Storage): Promise<number> {
  let sum = 0;
  for await (const { size } of storage.list()) sum += size;
  return sum;
}

/**
 * Returns the snapshots to remove to free at least `excess` bytes. The number
 * of freed bytes is an estimate. It includes the bytes of garbage and of
 * snapshots that were removed earlier. If not enough snapshots can be removed,
 * all that can be removed are returned.
 */
async function chooseGoing(
  store: Store,
  excess: number,
  options: PruneOptions & { repackBelow: number },
): Promise<SnapshotRecord[]> {
  const found = await readState(store, options.signal);
  const { lists: judged } = await readJudged(
    untilAborted(store.storage, options.signal),
  );
  const { isTrusted = await store.trusted(found.records) } = options;
  const groups = groupSnapshots(found.records, { isTrusted, judged });
  const order = thinningOrder(groups);
  const usage = await findUsage([
    ...found.removed.map((one) => ({
      layers: one.record?.layers ?? [],
      rank: canBeUndeleted(one) ? 0 : REPLACED,
    })),
    ...found.records.map((record) => ({
      layers: record.layers,
      rank: order.get(record) ?? ALWAYS,
    })),
    ...rootsOfRunningWork(found),
  ], layerOptions(store, options));
  applyMoves(usage, found.moves, found.stored);
  const freed = freedByRank(found, usage, options.repackBelow);
  let left = excess;
  for (const [rank, bytes] of freed) if (rank <= 0) left -= bytes;
  const gone: SnapshotRecord[] = [];
  for (const [record, rank] of order) {
    if (left <= 0) break;
    left -= freed.get(rank) ?? 0;
    gone.push(record);
  }
  const isGoing = (record: SnapshotRecord) => gone.includes(record);
  await checkUnusual(findUnusual(groups, isGoing, Infinity), options);
  return gone;
}

/**
 * Returns the snapshots that may be removed to save space, each with its
 * position in the order of removal, counted from 1. Snapshots that are close to
 * the next newer one, relative to their age, come first, so that the gaps
 * between older snapshots become larger. Snapshots that a user labelled come
 * last. The last snapshot and the last safety snapshot of a directory are never
 * removed, even if the rules do not count them. The last snapshot and the last
 * safety snapshot that the rules count are never removed, either.
 */
export function thinningOrder(
  groups: readonly SnapshotGroup[],
): Map<SnapshotRecord, number> {
  const order: SnapshotRecord[] = [];
  const lists = groups.flatMap(({ taken, saved }) => [taken, saved])
    .filter(({ all }) => all.length > 0);
  // A snapshot without a machine belongs to several groups. If it is the last
  // of one group, it is never removed.
  const kept = new Set(lists.map(({ all: [newest] }) => newest.record));
  for (const isLabelled of [false, true]) {
    const queues = lists.map((list) => thinGroup(list, isLabelled));
    // The next snapshot to remove comes from the group whose first candidate
    // has the smallest gap.
    while (true) {
      const next = queues.filter((queue) => queue.length > 0)
        .sort((a, b) => a[0].gap - b[0].gap)[0]?.shift();
      if (next === undefined) break;
      if (!kept.has(next.record)) order.push(next.record);
    }
  }
  return new Map([...new Set(order)].map((record, at) => [record, at + 1]));
}

/**
 * Returns the snapshots of one group in the order of removal, each with its
 * gap: the time from the snapshot to the next newer one that is left, divided
 * by the time from the snapshot to the newest one. The newest snapshot and the
 * newest snapshot that the rules count are never removed.
 *
 * @param list The snapshots.
 * @param isLabelled Whether to return the snapshots that a user labelled, or
 * those without such a label.
 */
function thinGroup(
  { all: [newest, ...rest], counted }: CountedSnapshots,
  isLabelled: boolean,
): { record: SnapshotRecord; gap: number }[] {
  const going: { record: SnapshotRecord; gap: number }[] = [];
  const left = rest.reverse().filter(({ record }) =>
    record !== counted[0]?.record &&
    // deltar itself labels safety snapshots, so their labels are ignored.
    (record.label !== undefined && record.safety === undefined) === isLabelled
  );
  while (left.length > 0) {
    // The next snapshot to remove is the one with the smallest gap.
    const gaps = left.map(({ time }, at) =>
      ((left[at + 1] ?? newest).time - time) / Math.max(newest.time - time, 1)
    );
    const gap = Math.min(...gaps);
    const [{ record }] = left.splice(gaps.indexOf(gap), 1);
    going.push({ record, gap });
  }
  return going;
}

function checkBudget(maxSize: number): void {
  if (Number.isSafeInteger(maxSize) && maxSize > 0) return;
  throw new RangeError(
    `\`maxSize\` must be a positive integer, in bytes: ${maxSize}`,
  );
}
