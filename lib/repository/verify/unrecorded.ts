import { isDamage } from "../../bytes/errors.ts";
import type { Storage, StoredObject } from "../../storage/storage.ts";
import {
  DAMAGED,
  idOfObject,
  noteName,
  recordName,
  REMOVED,
  RUNNING,
  TREES,
} from "../format/names.ts";
import { readIfThere } from "../format/note.ts";
import { type Mark, readMarks } from "../runs/garbage_mark.ts";
import { LABELS, PROOFS } from "../format/snapshot_note.ts";
import type { SnapshotRecord } from "../format/snapshot_record.ts";

/** A snapshot whose tree is stored but whose record is missing. */
export interface UnrecordedSnapshot {
  /** The id of the snapshot. */
  id: string;
  /**
   * The objects that were stored for the snapshot and that no other snapshot
   * needs.
   */
  objects: StoredObject[];
  /**
   * Whether there is evidence that the record existed: another snapshot with
   * this snapshot as its parent, a label, or the result of a drill. Without
   * such evidence, the run that took the snapshot might have been interrupted
   * before it stored the record.
   */
  wasThere: boolean;
}

/**
 * Finds snapshots whose tree is stored but whose record is missing. Snapshots
 * that were removed, are being taken, or were replaced by a repair are not
 * included. If the mark of a prune is damaged, the result is empty.
 *
 * @param storage The repository's storage.
 * @param sizes The sizes of the stored objects in bytes, by name.
 * @param records The records of the existing snapshots.
 * @param leftOvers The objects that no existing snapshot needs.
 * @returns The snapshots, in the order of their ids.
 */
export async function findUnrecorded(
  storage: Storage,
  sizes: ReadonlyMap<string, number>,
  records: readonly SnapshotRecord[],
  leftOvers: readonly StoredObject[],
): Promise<UnrecordedSnapshot[]> {
  const left = Map.groupBy(leftOvers, ({ name }) => idOfTreeOrVolume(name));
  if (left.size === 0) return [];
  const withTree = new Set(
    [...sizes.keys()].filter((name) => name.startsWith(TREES))
      .map(idOfObject),
  );
  const told = new Set(records.map(({ parent }) => parent));
  for (const name of sizes.keys()) {
    for (const { folder } of [LABELS, PROOFS]) {
      if (name.startsWith(folder)) told.add(idOfObject(name));
    }
  }
  const isGarbage = await findGarbage(storage);
  const found: UnrecordedSnapshot[] = [];
  for (const [id, all] of left) {
    if (id === undefined || !withTree.has(id)) continue;
    const objects = all.filter(({ name }) => !isGarbage(id, name));
    if (objects.length === 0 || await isAccountedFor(storage, id)) continue;
    found.push({ id, objects, wasThere: told.has(id) });
  }
  if (found.length === 0) return [];
  // A prune may have purged some of these snapshots after the objects were
  // listed. A prune deletes its mark last. So the marks are read first, and
  // then the objects are listed: if the mark of a prune no longer exists, the
  // objects that the prune deleted are not in the list.
  const isGarbageNow = await findGarbage(storage);
  const present = new Set<string>();
  for await (const { name } of storage.list()) present.add(name);
  return found
    .map(({ id, objects, wasThere }) => ({
      id,
      objects: objects
        .filter(({ name }) => present.has(name) && !isGarbageNow(id, name)),
      wasThere,
    }))
    .filter(({ objects }) => objects.length > 0)
    .sort((a, b) => a.id < b.id ? -1 : 1);
}

/**
 * Reads the marks of prunes. Returns a function that tests whether an object of
 * a snapshot is garbage according to the marks, because the snapshot was purged
 * or a prune is deleting the object. If a mark is damaged, every object counts
 * as garbage, because it is unknown which snapshots were purged.
 */
async function findGarbage(
  storage: Storage,
): Promise<(id: string, name: string) => boolean> {
  try {
    const { marks } = await readMarks(storage);
    const condemned = namesBeingDeleted(marks);
    const purged = new Set(marks.flatMap(({ purged }) => purged));
    return (id, name) => purged.has(id) || condemned.has(name);
  } catch (error) {
    if (isDamage(error)) return () => true;
    throw error;
  }
}

function idOfTreeOrVolume(name: string): string | undefined {
  return /^(?:trees|volumes|signatures)\//.test(name)
    ? idOfObject(name)
    : undefined;
}

/**
 * Returns whether a snapshot is being taken, was removed, was replaced by a
 * repair, or has a record after all.
 */
async function isAccountedFor(storage: Storage, id: string): Promise<boolean> {
  const names = [
    // The record is checked last, because a run stores the record before it
    // deletes its intent.
    noteName(RUNNING, id),
    noteName(REMOVED, id),
    `${DAMAGED}${recordName(id)}`,
    recordName(id),
  ];
  for (const name of names) {
    try {
      if (await readIfThere(storage, name) !== undefined) return true;
    } catch (error) {
      if (isDamage(error)) return true;
      throw error;
    }
  }
  return false;
}

/**
 * Returns the names of the objects that a prune is deleting, or was deleting
 * when it was interrupted.
 */
function namesBeingDeleted(marks: readonly Mark[]): Set<string> {
  return new Set(
    marks.flatMap(({ objects }) =>
      objects.filter(({ condemned }) => condemned).map(({ name }) => name)
    ),
  );
}
