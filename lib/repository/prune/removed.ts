import { DeltarError, isDamage } from "../../bytes/errors.ts";
import { forEachConcurrent } from "../../bytes/for_each_concurrent.ts";
import { MAX_REQUESTS_AT_ONCE } from "../../storage/max_requests.ts";
import type { Storage } from "../../storage/storage.ts";
import { untilAborted } from "../../storage/until_aborted.ts";
import { decodeLines, encodeLines } from "../../bytes/listing.ts";
import {
  idOfNote,
  newId,
  noteName,
  recordName,
  REMOVED,
} from "../format/names.ts";
import {
  canBeFound,
  namesUnder,
  readEach,
  readIfThere,
  timeOf,
} from "../format/note.ts";
import { Run } from "../runs/run.ts";
import type { Store } from "../store/store.ts";
import {
  decodeRecord,
  type SnapshotRecord,
} from "../format/snapshot_record.ts";

/** A snapshot that was removed. */
export interface RemovedSnapshot {
  /** The id of the snapshot. */
  id: string;
  /** The time of the removal, in milliseconds since 1970. */
  time: number;
  /** The reason for the removal, as text. */
  reason: string;
  /** The record of the snapshot; `undefined` if the record is damaged. */
  record: SnapshotRecord | undefined;
  /**
   * The paths that a purge is deleting from the repository, or `[WHOLE_TREE]`.
   * Absent if no purge replaced the snapshot. A snapshot that a purge replaced
   * cannot be brought back.
   */
  paths?: string[];
  /**
   * Whether layers of the snapshot are missing, because a purge or a prune has
   * already deleted them. `record` names only the other layers. The snapshot
   * cannot be brought back.
   */
  isCut?: true;
}

/**
 * A value in `RemovedSnapshot.paths` that stands for all paths of a snapshot.
 * It is used if the list of purged paths is too long.
 */
export const WHOLE_TREE = "";

/** Returns whether a purge replaced a removed snapshot. */
export function isReplaced({ paths }: RemovedSnapshot): boolean {
  return paths !== undefined;
}

/** Returns whether a removed snapshot can be brought back. */
export function canBeUndeleted(removed: RemovedSnapshot): boolean {
  return !isReplaced(removed) && removed.isCut !== true;
}

/** A removed snapshot, and the bytes of its record. */
interface StoredRemoval extends RemovedSnapshot {
  bytes: Uint8Array;
}

const FORMAT = "deltar-removed";
const VERSION = 1;
/** The reason for the removal of a snapshot that a purge replaced. */
const PURGED = "purged";

/**
 * Removes a snapshot by moving its record into a note, from which `undelete`
 * can bring the snapshot back. If the removal is interrupted, it can be
 * repeated.
 *
 * @param store The repository.
 * @param id The id of the snapshot.
 * @param reason The reason for the removal, as text.
 * @param time The time of the removal, in milliseconds since 1970. Default: the
 * current time or, if this machine's clock is behind, the time of the snapshot.
 * @throws {DeltarError} `not-found` if no snapshot and no removed snapshot has
 * this id; also the errors of the storage.
 */
export async function removeSnapshot(
  { storage, manifests }: Store,
  id: string,
  reason: string,
  time?: number,
): Promise<void> {
  const bytes = await readIfThere(storage, recordName(id));
  if (bytes === undefined) {
    if (await readRemoved(storage, id) !== undefined) return;
    throw new DeltarError("not-found", "no such snapshot", {
      object: id,
    });
  }
  const record = tryDecode(bytes, recordName(id));
  const taken = record?.time ?? 0;
  // An interrupted call of `undelete` may have left a note with an earlier
  // time. This note is replaced.
  const removal = {
    id,
    time: time ?? Math.max(Date.now(), taken),
    reason,
    bytes,
  };
  await putRemoved(storage, removal);
  await manifests?.removing([recordName(id)]);
  await storage.delete(recordName(id));
  try {
    if (await readIfThere(storage, noteName(REMOVED, id)) !== undefined) return;
    // Another process has just deleted the note. If it was an `undelete`, the
    // note is stored again. If it was a prune or purge that then deleted
    // layers, the snapshot can no longer be brought back, so the note is not
    // stored again.
    if (await missingLayer(storage, record) !== undefined) return;
  } catch (error) {
    // An unneeded note does no harm, but without the note, the record could be
    // lost.
    await putRemoved(storage, removal).catch(() => {});
    throw error;
  }
  // The `undelete` that deleted the note may also have withdrawn the removal
  // from the manifests.
  await manifests?.removing([recordName(id)]);
  await putRemoved(storage, removal);
}

/**
 * Returns the name of a missing layer of a snapshot; `undefined` if no layer is
 * missing, or if there is no record.
 */
async function missingLayer(
  storage: Storage,
  record: SnapshotRecord | undefined,
): Promise<string | undefined> {
  const missing: string[] = [];
  await forEachConcurrent(
    record?.layers ?? [],
    MAX_REQUESTS_AT_ONCE,
    async ({ name }) => {
      if (!await canBeFound(storage, name)) missing.push(name);
    },
  );
  return missing[0];
}

/**
 * Removes a snapshot that a purge replaced, or marks a removed snapshot as
 * replaced, so that it cannot be brought back. If the purge is interrupted, a
 * later purge finds the snapshot and can repeat the call.
 *
 * @param store The repository.
 * @param id The id of the snapshot.
 * @param paths The paths that the purge deletes.
 * @throws {DeltarError} `not-found` if the snapshot neither exists nor was
 * removed; also the errors of the storage.
 */
export async function removePurged(
  { storage, manifests }: Store,
  id: string,
  paths: readonly string[],
): Promise<void> {
  const stored = await readIfThere(storage, recordName(id));
  const bytes = stored ?? (await readRemoved(storage, id))?.bytes;
  if (bytes === undefined) throw purged(id);
  await putRemoved(storage, {
    id,
    time: Date.now(),
    reason: PURGED,
    bytes,
    paths,
  });
  if (stored === undefined) return;
  await manifests?.removing([recordName(id)]);
  await storage.delete(recordName(id));
}

/**
 * Deletes removed records whose grace period is over. The removed record of a
 * snapshot is kept if the snapshot was removed again after `expired` was read,
 * or if a purge replaced the snapshot.
 *
 * @param storage The repository's storage.
 * @param expired The removed snapshots whose grace period is over, as they were
 * read.
 * @returns The ids of the snapshots whose removed record was kept.
 */
export async function deleteExpired(
  storage: Storage,
  expired: readonly RemovedSnapshot[],
): Promise<Set<string>> {
  const kept = new Set<string>();
  await forEachConcurrent(
    expired,
    MAX_REQUESTS_AT_ONCE,
    async ({ id, time }) => {
      const now = await readRemoved(storage, id);
      if (now === undefined) return;
      if (now.time !== time || isReplaced(now)) kept.add(id);
      else await storage.delete(noteName(REMOVED, id));
    },
  );
  return kept;
}

/**
 * Stores the note from which a removed snapshot can be brought back.
 *
 * @param storage The repository's storage.
 * @param removal The removal, with the bytes of the snapshot's record.
 */
export async function putRemoved(
  storage: Storage,
  { id, time, reason, bytes, paths }: {
    id: string;
    time: number;
    reason: string;
    bytes: Uint8Array;
    paths?: readonly string[];
  },
): Promise<void> {
  const header = {
    id,
    removed: new Date(time).toISOString(),
    reason,
    record: new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes),
    ...paths !== undefined && { paths: [...paths] },
  };
  await storage.put(
    noteName(REMOVED, id),
    encodeLines(FORMAT, VERSION, header, []),
  );
}

/**
 * Brings a removed snapshot back. Does nothing if the snapshot exists already.
 *
 * @param store The repository.
 * @param id The id of the snapshot.
 * @param signal The signal that ends the work with an error of code `aborted`.
 * @throws {DeltarError} `not-found` if the snapshot can no longer be brought
 * back, or if there never was a snapshot with this id.
 */
export async function restoreRecord(
  store: Store,
  id: string,
  signal?: AbortSignal,
): Promise<void> {
  const { storage } = store;
  const removed = await readRemoved(untilAborted(storage, signal), id);
  if (removed === undefined) {
    if (await readIfThere(storage, recordName(id)) !== undefined) return;
    throw purged(id);
  }
  if (removed.paths !== undefined) throw replacedByPurge(id);
  await using run = new Run(store, {
    id: newId(Date.now(), Math.random()),
    ground: {
      layers: removed.record?.layers ?? [],
      check: async () => {
        const now = await readRemoved(storage, id);
        if (now === undefined) throw purged(id);
        if (now.paths !== undefined) throw replacedByPurge(id);
        const missing = await missingLayer(storage, removed.record);
        if (missing !== undefined) throw incomplete(id, missing);
      },
    },
  });
  await run.begin();
  const storeAgain = () =>
    putRemoved(storage, { ...removed, time: Date.now() });
  // A record that is already stored is replaced: another `undelete` may have
  // stored it, or it may be damaged.
  await run.commitAs(recordName(id), removed.bytes, {
    replaces: true,
    onDead: async () => {
      // The record is about to be deleted again, so the removed record is
      // stored with a new grace period. If a purge replaced the snapshot, or if
      // a layer is missing, the snapshot can no longer be brought back.
      const now = await readRemoved(storage, id);
      if (now !== undefined && isReplaced(now)) return;
      if (await missingLayer(storage, removed.record) === undefined) {
        await storeAgain();
      }
    },
  });
  // Another process may have removed the snapshot again, or a purge may have
  // replaced it. In both cases, the new removed record is kept.
  const now = await readRemoved(storage, id);
  if (now !== undefined && isReplaced(now)) {
    if (await readIfThere(storage, recordName(id)) !== undefined) return;
    throw replacedByPurge(id);
  }
  if (now !== undefined && now.time !== removed.time) return;
  await storage.delete(noteName(REMOVED, id));
  try {
    if (await readIfThere(storage, recordName(id)) !== undefined) return;
  } catch (error) {
    // It is not known whether the record still exists. If the snapshot was
    // removed again, it may have neither a record nor a removed record, so the
    // removed record is stored. If both exist, the snapshot counts as not
    // removed.
    await storeAgain().catch(() => {});
    throw error;
  }
  await storeAgain();
}

/**
 * Returns the removed snapshots, in the order of their ids. If a removal or a
 * call of `undelete` was interrupted, the list can include a snapshot that is
 * not removed: one with a record in `snapshots/`.
 *
 * @throws {DeltarError} If a removed record cannot be read or is damaged.
 */
export async function listRemoved(
  storage: Storage,
): Promise<RemovedSnapshot[]> {
  const all: RemovedSnapshot[] = [];
  const names = (await namesUnder(storage, REMOVED))
    .filter((name) => idOfNote(REMOVED, name) !== undefined);
  for await (const { name, bytes } of readEach(storage, names)) {
    const { bytes: _, ...rest } = decodeRemoved(bytes, name);
    all.push(rest);
  }
  return all;
}

/**
 * Searches for a missing layer of a removed snapshot. Returns `undefined` if
 * no layer is missing, if the snapshot is no longer removed, or if a purge
 * replaced the snapshot.
 *
 * @param storage The repository's storage.
 * @param stored The removed record.
 * @param name The name of the removed record.
 * @param listed The names of the objects that are known to exist.
 * @returns The name of the layer, and a message that names the snapshot.
 * @throws {DeltarError} `corrupt` if the removed record is damaged.
 */
export async function findMissingLayer(
  storage: Storage,
  stored: Uint8Array,
  name: string,
  listed: ReadonlySet<string>,
): Promise<{ layer: string; message: string } | undefined> {
  const removed = decodeRemoved(stored, name);
  const { id, record } = removed;
  const layers = record?.layers ?? [];
  if (isReplaced(removed) || listed.has(recordName(id))) return undefined;
  if (layers.every((layer) => listed.has(layer.name))) return undefined;
  const layer = await missingLayer(storage, record);
  if (layer === undefined) return undefined;
  // A prune deletes the removed record before it deletes the layers. If the
  // removed record no longer exists, the missing layer is not an error.
  if (await readIfThere(storage, name) === undefined) return undefined;
  const message =
    `the layer is missing, so the removed snapshot ${id} cannot ` +
    `be brought back. ${COPY_BACK}`;
  return { layer, message };
}

async function readRemoved(
  storage: Storage,
  id: string,
): Promise<StoredRemoval | undefined> {
  const object = noteName(REMOVED, id);
  const stored = await readIfThere(storage, object);
  if (stored === undefined) return undefined;
  return decodeRemoved(stored, object);
}

function decodeRemoved(stored: Uint8Array, object: string): StoredRemoval {
  const { header } = decodeLines(stored, FORMAT, VERSION, object);
  const id = idOfNote(REMOVED, object);
  if (
    id === undefined || header.id !== id || typeof header.record !== "string"
  ) {
    throw new DeltarError(
      "corrupt",
      "`record` is missing, or `id` differs from the id in the object's name",
      { object },
    );
  }
  const bytes = new TextEncoder().encode(header.record);
  const { reason, paths } = header;
  return {
    id,
    time: timeOf(header.removed, object),
    reason: String(reason),
    record: tryDecode(bytes, object),
    ...reason === PURGED && {
      paths: Array.isArray(paths)
        ? paths.filter((path) => typeof path === "string")
        : [],
    },
    bytes,
  };
}

function tryDecode(
  bytes: Uint8Array,
  object: string,
): SnapshotRecord | undefined {
  try {
    return decodeRecord(bytes, object);
  } catch (error) {
    if (isDamage(error)) return undefined;
    throw error;
  }
}

function replacedByPurge(id: string): DeltarError {
  return new DeltarError(
    "not-found",
    "a purge has replaced this snapshot, so it cannot be brought back; " +
      "`deltar list` shows the snapshot that replaced it",
    { object: id },
  );
}

/** The advice if a layer is missing. */
const COPY_BACK = "If a mirror of the repository has the layer, copy it back.";

function incomplete(id: string, layer: string): DeltarError {
  return new DeltarError(
    "not-found",
    `the removed snapshot cannot be brought back, because its layer ${layer} ` +
      `is missing. ${COPY_BACK}`,
    { object: id },
  );
}

function purged(id: string): DeltarError {
  return new DeltarError(
    "not-found",
    "no removed snapshot has this id; `deltar undelete` without an id lists " +
      "the removed snapshots",
    { object: id },
  );
}
