import { untilAborted } from "../../storage/until_aborted.ts";
import { forEachConcurrent } from "../../bytes/for_each_concurrent.ts";
import { isTrueMove } from "./true_move.ts";
import { readMove } from "../content/follow_moves.ts";
import { type Mark, readMarks } from "../runs/garbage_mark.ts";
import { COLLECTED, moveName, MOVES } from "../format/names.ts";
import type { Move } from "../content/move.ts";
import { listRemoved, type RemovedSnapshot } from "./removed.ts";
import type { Store } from "../store/store.ts";
import { readIntents, type RunIntent } from "../runs/run.ts";
import type { SnapshotRecord } from "../format/snapshot_record.ts";
import { ALWAYS, type Root } from "./usage.ts";

/** The maximum number of objects that are read or deleted at the same time. */
export const MAX_OBJECTS_AT_ONCE = 8;

/** The objects and records of a repository that a prune reads. */
export interface RepositoryState {
  /**
   * The sizes in bytes of the stored layers, volumes, checkpoints and moves, by
   * name.
   */
  stored: Map<string, number>;
  /** The snapshots. */
  records: SnapshotRecord[];
  /** The removed snapshots that can still be brought back. */
  removed: RemovedSnapshot[];
  /** The intents in the repository. */
  intents: RunIntent[];
  /** The marks of earlier prunes. */
  marks: Mark[];
  /** The names of the marks' objects. */
  markNames: string[];
  /** The moves, by the names of their objects. */
  moves: Map<string, Move>;
  /** Whether objects are padded when they are written. */
  isPadded: boolean;
}

/**
 * Reads the state of a repository. The order matters. Objects are listed first,
 * so that objects that are written later cannot become candidates.
 *
 * @throws {DeltarError} The error of a read that failed. Nothing may be
 * collected unless all needed objects are known.
 */
export async function readState(
  store: Store,
  signal?: AbortSignal,
): Promise<RepositoryState> {
  const storage = untilAborted(store.storage, signal);
  const stored = new Map<string, number>();
  for (const folder of COLLECTED) {
    for await (const { name, size } of storage.list(folder)) {
      stored.set(name, size);
    }
  }
  const { records, removed } = await readRecords(store, signal);
  const intents = await readIntents(storage);
  const { names: markNames, marks } = await readMarks(storage);
  const moves = new Map<string, Move>();
  const moved = [...stored.keys()].filter((name) => name.startsWith(MOVES));
  await forEachConcurrent(moved, MAX_OBJECTS_AT_ONCE, async (object) => {
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
    removed: removed.map((one) => withStoredLayers(one, stored)),
    intents,
    marks,
    markNames,
    moves,
    isPadded,
  };
}

/**
 * Returns a snapshot that a purge replaced without the layers that the purge has
 * already deleted. Other snapshots are returned unchanged.
 */
function withStoredLayers(
  removed: RemovedSnapshot,
  stored: ReadonlyMap<string, unknown>,
): RemovedSnapshot {
  const { record, paths } = removed;
  if (record === undefined || paths === undefined) return removed;
  const layers = record.layers.filter(({ name }) => stored.has(name));
  return { ...removed, record: { ...record, layers } };
}

/**
 * Reads the records of snapshots and removed snapshots. A snapshot that is
 * removed between the two reads is found in at least one of the lists.
 */
export async function readRecords(
  store: Store,
  signal?: AbortSignal,
): Promise<{ records: SnapshotRecord[]; removed: RemovedSnapshot[] }> {
  const records = await store.records({ signal });
  const ids = new Set(records.map(({ id }) => id));
  const removed = await listRemoved(untilAborted(store.storage, signal));
  return { records, removed: removed.filter(({ id }) => !ids.has(id)) };
}

/**
 * Returns a root of rank `ALWAYS` for each live run, with the layers that the
 * run builds on. A run whose layers are deleted is ignored: the run's parent
 * was removed before the run checked for the parent, so the run fails with
 * `conflict`.
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
