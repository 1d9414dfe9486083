import { checkAborted } from "../../bytes/abort.ts";
import { codeOf, DeltarError } from "../../bytes/errors.ts";
import { forEachConcurrent } from "../../bytes/for_each_concurrent.ts";
import {
  CHECKPOINTS,
  GARBAGE,
  idOfObject,
  newId,
  noteName,
  recordName,
  REMOVED,
} from "../format/names.ts";
import type { Store } from "../store/store.ts";
import type { SnapshotRecord } from "../format/snapshot_record.ts";
import { findCandidates, runningIds } from "./candidates.ts";
import { findLeap } from "./clock.ts";
import { readUsage } from "./collect_garbage.ts";
import type { PruneOptions } from "./prune.ts";
import { findNewlyNeeded } from "./newly_needed.ts";
import { deleteExpired, isReplaced } from "./removed.ts";
import { readState, rootsOfRunningWork } from "./repository_state.ts";
import { putMark } from "../runs/garbage_mark.ts";
import { MAX_REQUESTS_AT_ONCE } from "../../storage/max_requests.ts";

/**
 * Returns whether an operation failed because the disk is full or the quota is
 * used up.
 */
export function isFull(error: unknown): boolean {
  if (!(error instanceof DeltarError)) return false;
  const code = codeOf(error.cause);
  return code === "ENOSPC" || code === "EDQUOT";
}

/** The result of freeing space on a full disk. */
export interface FreedSpace {
  /**
   * The ids of the snapshots whose records were deleted. They cannot be brought
   * back.
   */
  purged: string[];
  /**
   * The number of objects that were deleted, not counting records and notes.
   */
  deleted: number;
  /** The total size of the deleted objects, in bytes. */
  freed: number;
}

/**
 * Collects garbage without space for writing, because the disk is full. Unlike
 * a normal prune, this function takes no lease, does not store the records of
 * removed snapshots, and repacks no volumes.
 *
 * Without a mark, snapshots could take over objects that are being deleted. To
 * prevent this, the checkpoints that name those objects are deleted first. A
 * copy could rely on such objects as soon as there is space for its intent. So
 * objects are deleted one after the other, the largest first, until there is
 * space for a mark. Then new intents and records are read, and the remaining
 * objects that are still not needed are deleted.
 *
 * @param store The repository.
 * @param going The snapshots to delete permanently, together with the objects
 * that no other snapshot needs.
 * @param options The options of the prune. The grace period applies only to
 * garbage and to snapshots that were removed earlier.
 * @throws {DeltarError} `aborted` if the signal ends the work; also the errors
 * of reading and deleting objects. Nothing is deleted before all needed objects
 * are known.
 */
export async function freeSpace(
  store: Store,
  going: readonly SnapshotRecord[],
  options: PruneOptions & Required<Pick<PruneOptions, "grace" | "repackBelow">>,
): Promise<FreedSpace> {
  const { storage } = store;
  const { grace, signal } = options;
  const now = Date.now();
  const found = await readState(store);
  const isTimeSure = grace === 0 || findLeap(found, now, grace) === undefined;
  const ids = new Set(going.map(({ id }) => id));
  const leaving = found.records.filter(({ id }) => ids.has(id));
  const records = found.records.filter(({ id }) => !ids.has(id));
  const expired = [
    ...leaving.map((record) => ({
      id: record.id,
      time: now,
      reason: "",
      record,
    })),
    ...found.removed.filter((one) =>
      !isReplaced(one) &&
      (grace === 0 || isTimeSure && one.time + grace <= now)
    ),
  ];
  const removed = [
    ...found.removed.filter((one) => !expired.includes(one)),
    ...expired,
  ];
  const known = { ...found, records, removed };
  const grounds = rootsOfRunningWork(known);
  const usage = await readUsage(store, known, expired, grounds, options);
  const { garbage } = findCandidates(known, usage, {
    ...options,
    now,
    since: now,
    isTimeSure,
    running: runningIds(found.intents),
  });
  const names = new Set(
    garbage.filter(({ condemned }) => condemned).map(({ name }) => name),
  );
  // If the checkpoint of an interrupted run is kept, a later snapshot can take
  // over the objects of this run. So these objects are kept, too.
  const left = new Set(
    [...found.stored.keys()]
      .filter((name) => name.startsWith(CHECKPOINTS) && !names.has(name))
      .map(idOfObject),
  );
  const result: FreedSpace = { purged: [], deleted: 0, freed: 0 };
  const gone: string[] = [];
  const remove = async (some: Iterable<string>) =>
    await forEachConcurrent(some, MAX_REQUESTS_AT_ONCE, async (name) => {
      checkAborted(signal);
      await storage.delete(name);
      gone.push(name);
      result.deleted++;
      result.freed += found.stored.get(name) ?? 0;
    });
  for (const one of expired) {
    const { id } = one;
    if (ids.has(id)) {
      await storage.delete(recordName(id));
      gone.push(recordName(id));
      await storage.delete(noteName(REMOVED, id));
    } else if ((await deleteExpired(storage, [one])).size > 0) continue;
    result.purged.push(id);
  }
  const all = [...names];
  await remove(all.filter((name) => name.startsWith(CHECKPOINTS)));
  const findSpared = () =>
    findNewlyNeeded(store, known, { grounds, expired, signal });
  let spared = await findSpared();
  const sizeOf = (name: string) => found.stored.get(name) ?? 0;
  const rest = all.filter((name) =>
    !name.startsWith(CHECKPOINTS) && !left.has(idOfObject(name)) &&
    !spared(name)
  ).sort((a, b) => sizeOf(b) - sizeOf(a));
  const mark = newId(now, Math.random());
  while (rest.length > 0) {
    const isMarked = await tryMark(store.storage, mark, {
      time: now,
      objects: rest.map((name) => ({ name, since: now, condemned: true })),
      runs: [],
      purged: result.purged,
    });
    if (isMarked) {
      spared = await findSpared();
      await remove(rest.filter((name) => !spared(name)));
      await storage.delete(noteName(GARBAGE, mark));
      break;
    }
    await remove(rest.splice(0, 1));
  }
  // Before objects were deleted, there may have been no space for this
  // manifest.
  await store.manifests?.removing(gone).catch(() => {});
  return result;
}

/** Stores a mark. Returns whether there was space for the mark. */
async function tryMark(
  ...[storage, id, mark]: Parameters<typeof putMark>
): Promise<boolean> {
  try {
    await putMark(storage, id, mark);
    return true;
  } catch (error) {
    if (isFull(error)) return false;
    throw error;
  }
}

/**
 * Frees space on a full disk, or throws an error that explains how the user
 * can free space.
 *
 * @param store The repository.
 * @param going The snapshots to delete permanently, together with the objects
 * that no other snapshot needs.
 * @param options The options of `freeSpace`.
 * @param error The error of the operation that failed because the disk is full.
 * @throws {DeltarError} If nothing can be freed: `io` if there is a grace
 * period, otherwise the given `error`. Also the errors of `freeSpace`.
 */
export async function makeRoom(
  store: Store,
  going: readonly SnapshotRecord[],
  options: Parameters<typeof freeSpace>[2],
  error: unknown,
): Promise<FreedSpace> {
  const freed = await freeSpace(store, going, options);
  if (freed.purged.length + freed.deleted > 0) return freed;
  if (options.grace === 0) throw error;
  throw new DeltarError(
    "io",
    "the disk is full: there is no space to record which snapshots are " +
      "removed, and no removed snapshot is past its grace period. Free space " +
      "on the disk, or choose snapshots to remove: `deltar prune --keep-last 3 " +
      "--grace 0 --dry-run` shows which snapshots would be removed. Without " +
      "`--dry-run`, the command removes them permanently and needs no free " +
      "space.",
    { object: store.storage.location },
  );
}
