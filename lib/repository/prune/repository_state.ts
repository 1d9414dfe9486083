import { together } from "../../bytes/together.ts";
import { MAX_REQUESTS_AT_ONCE } from "../../storage/max_requests.ts";
import type { Storage } from "../../storage/storage.ts";
import { untilAborted } from "../../storage/until_aborted.ts";
import { forEachConcurrent } from "../../bytes/for_each_concurrent.ts";
import { isTrueMove } from "./true_move.ts";
import { readMove } from "../content/follow_moves.ts";
import { type Mark, readMarks } from "../runs/garbage_mark.ts";
import {
  COLLECTED,
  GARBAGE,
  moveName,
  MOVES,
  RUNNING,
} from "../format/names.ts";
import { canBeFound, namesUnder } from "../format/note.ts";
import { RESTORES } from "../format/snapshot_note.ts";
import type { Move } from "../content/move.ts";
import { listRemoved, type RemovedSnapshot } from "./removed.ts";
import type { Store } from "../store/store.ts";
import { readIntents, type RunIntent } from "../runs/run.ts";
import type { SnapshotRecord } from "../format/snapshot_record.ts";
import { ALWAYS, type Root } from "./usage.ts";

/** The objects and records of a repository that a prune reads. */
export interface RepositoryState {
  /**
   * The sizes of the stored layers, volumes, checkpoints and moves, in bytes,
   * by name.
   */
  stored: Map<string, number>;
  /** The records of the snapshots. */
  records: SnapshotRecord[];
  /**
   * The removed snapshots that can still be brought back, and those that an
   * unfinished purge has replaced.
   */
  removed: RemovedSnapshot[];
  /** The intents in the repository. */
  intents: RunIntent[];
  /** The marks of earlier prunes. */
  marks: Mark[];
  /** The names of the objects that store the marks, in the order of `marks`. */
  markNames: string[];
  /** The names of the notes about restores into new or empty directories. */
  restoreNames: string[];
  /** The moves, by the names of the objects that store them. */
  moves: Map<string, Move>;
  /** Whether objects are padded when they are written. */
  isPadded: boolean;
}

/**
 * Lists the layers, volumes, checkpoints and moves of a repository. Returns
 * their sizes in bytes, by name.
 */
async function listStored(
  storage: Storage,
): Promise<Map<string, number>> {
  const stored = new Map<string, number>();
  // The order in which the folders are listed does not matter.
  await together(COLLECTED.map(async (folder) => {
    for await (const { name, size } of storage.list(folder)) {
      stored.set(name, size);
    }
  }));
  return stored;
}

/** The part of the state of a repository that is read first. */
export type KnownState = Pick<RepositoryState, "stored" | "records">;

/**
 * Reads the first part of the state of a repository: the list of objects, and
 * then the records.
 */
export async function startState(
  store: Store,
  signal?: AbortSignal,
): Promise<KnownState> {
  const stored = await listStored(untilAborted(store.storage, signal));
  return { stored, records: await store.records({ signal }) };
}

/**
 * Reads the state of a repository. The order of the reads matters. Objects are
 * listed first, so that objects that are written later cannot become candidates
 * for deletion. Then the records are read, then the removed records. Then the
 * intents are read, and also the records of snapshots that were created or
 * brought back in the meantime. The marks can be read before or after the
 * intents.
 *
 * @param known The first part of the state, if the caller has read it and has
 * removed no snapshot since then.
 * @throws {DeltarError} The error of a read that failed. The caller must then
 * delete nothing, because not all needed objects are known.
 */
export async function readState(
  store: Store,
  signal?: AbortSignal,
  known?: KnownState,
): Promise<RepositoryState> {
  const storage = untilAborted(store.storage, signal);
  const { stored, records: first } = known ?? await startState(store, signal);
  const removed = await readRemoved(store, first, signal);
  const [records, running, garbage, restoreNames] = await together([
    withBroughtBack(store, { records: first, removed }, signal),
    namesUnder(storage, RUNNING),
    namesUnder(storage, GARBAGE),
    namesUnder(storage, RESTORES.folder),
  ]);
  const intents = await readIntents(storage, running);
  const { names: markNames, marks } = await readMarks(storage, garbage);
  const moves = new Map<string, Move>();
  const moved = [...stored.keys()].filter((name) => name.startsWith(MOVES));
  await forEachConcurrent(moved, MAX_REQUESTS_AT_ONCE, async (object) => {
    const volume = object.slice(MOVES.length, -".json".length);
    const move = await readMove(storage, volume);
    if (move !== undefined) moves.set(object, move);
  });
  for (const [object, move] of moves) {
    const { from, to } = move;
    if (!stored.has(from.name)) continue;
    // If a prune was declared dead, its new volume may have been deleted before
    // the prune stored the move. Such a move is ignored. A forged move is
    // ignored, too, because otherwise the old volume would be deleted.
    const isLost = !stored.has(to.name) && !stored.has(moveName(to.name));
    if (isLost || !await isTrueMove(storage, move)) moves.delete(object);
  }
  const isPadded = store.codec.padding !== undefined;
  return {
    stored,
    records,
    removed: await withStoredLayers(storage, removed, stored),
    intents,
    marks,
    markNames,
    restoreNames,
    moves,
    isPadded,
  };
}

/**
 * Returns the removed snapshots, each with only those of its layers that are
 * still stored. A purge or a prune may have deleted the other layers: if the
 * process that removes a snapshot is suspended, it can store the removed record
 * after the layers were deleted.
 *
 * @param storage The repository's storage.
 * @param removed The removed snapshots.
 * @param stored The objects that were listed before the records were read.
 */
async function withStoredLayers(
  storage: Storage,
  removed: readonly RemovedSnapshot[],
  stored: ReadonlyMap<string, unknown>,
): Promise<RemovedSnapshot[]> {
  const absent = new Set(
    removed.flatMap(({ record }) => record?.layers ?? [])
      .map(({ name }) => name)
      .filter((name) => !stored.has(name)),
  );
  // A layer may have been stored after the objects were listed.
  await forEachConcurrent(absent, MAX_REQUESTS_AT_ONCE, async (name) => {
    if (await canBeFound(storage, name)) absent.delete(name);
  });
  return removed.map((one) => {
    const { record } = one;
    const layers = record?.layers.filter(({ name }) => !absent.has(name));
    return record === undefined || layers?.length === record.layers.length
      ? one
      : { ...one, record: { ...record, layers: layers ?? [] }, isCut: true };
  });
}

/**
 * Reads the records of snapshots, then those of removed snapshots, and then
 * those of snapshots that were brought back in the meantime. A snapshot that is
 * removed or brought back once during the reads is found in at least one of the
 * lists.
 */
export async function readRecords(
  store: Store,
  signal?: AbortSignal,
): Promise<{ records: SnapshotRecord[]; removed: RemovedSnapshot[] }> {
  const records = await store.records({ signal });
  const removed = await readRemoved(store, records, signal);
  return {
    records: await withBroughtBack(store, { records, removed }, signal),
    removed,
  };
}

/**
 * Returns `records` and, in addition, the records of snapshots that were
 * created or brought back since `records` was read and are not in `removed`.
 */
async function withBroughtBack(
  store: Store,
  { records, removed }: {
    records: readonly SnapshotRecord[];
    removed: readonly RemovedSnapshot[];
  },
  signal: AbortSignal | undefined,
): Promise<SnapshotRecord[]> {
  const ids = removed.map(({ id }) => id);
  return await store.withNewRecords(records, ids, signal);
}

/**
 * Returns the removed snapshots that are not in `records`. The caller must have
 * read `records` before the call. A snapshot that is removed between the two
 * reads is then in `records`, and is not missed.
 */
async function readRemoved(
  store: Store,
  records: readonly SnapshotRecord[],
  signal: AbortSignal | undefined,
): Promise<RemovedSnapshot[]> {
  const ids = new Set(records.map(({ id }) => id));
  const removed = await listRemoved(untilAborted(store.storage, signal));
  return removed.filter(({ id }) => !ids.has(id));
}

/**
 * Returns a root of rank `ALWAYS` for each live run, with the layers that the
 * run builds on. Ignores a run whose layers were deleted: its parent was
 * removed before the run checked for the parent, so the run will fail with
 * `conflict`.
 *
 * @param state The state of the repository.
 * @param alive The intents of the live runs. Default: all intents in the state.
 */
export function rootsOfRunningWork(
  { stored, records, removed, intents }: RepositoryState,
  alive: readonly RunIntent[] = intents,
): (Root & { id: string })[] {
  const known = new Set(
    [...records, ...removed.flatMap(({ record }) => record ?? [])]
      .flatMap(({ layers }) => layers.map(({ name }) => name)),
  );
  return alive
    .filter(({ layers }) =>
      layers.every(({ name }) => stored.has(name) || known.has(name))
    )
    .map(({ id, layers }) => ({ id, layers, rank: ALWAYS }));
}
