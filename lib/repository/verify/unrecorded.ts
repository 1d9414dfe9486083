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
  /** The objects that the snapshot stored and that no other snapshot needs. */
  objects: StoredObject[];
  /**
   * Whether there is evidence that the record existed: another snapshot with
   * this snapshot as its parent, a label, or the result of a drill. Without
   * evidence, the run might have been interrupted just before it stored the
   * record.
   */
  wasThere: boolean;
}

/**
 * Finds snapshots whose tree is stored but whose record is missing. Snapshots
 * that were removed, are being taken, or were replaced by a repair are not
 * included. If the mark of a prune is damaged, nothing is found.
 *
 * @param storage The repository's storage.
 * @param sizes The sizes of the stored objects in bytes, by name.
 * @param records The records of the existing snapshots.
 * @param leftOvers The objects that no existing snapshot needs.
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
  let marks: Mark[];
  try {
    ({ marks } = await readMarks(storage));
  } catch (error) {
    // Without the marks, there is no way to know for which snapshots a prune
    // has freed the space.
    if (isDamage(error)) return [];
    throw error;
  }
  const condemned = namesBeingDeleted(marks);
  const purged = new Set(marks.flatMap(({ purged }) => purged));
  const found: UnrecordedSnapshot[] = [];
  for (const [id, all] of left) {
    if (id === undefined || !withTree.has(id) || purged.has(id)) continue;
    const objects = all.filter(({ name }) => !condemned.has(name));
    if (objects.length === 0 || await isAccountedFor(storage, id)) continue;
    found.push({ id, objects, wasThere: told.has(id) });
  }
  return found.sort((a, b) => a.id < b.id ? -1 : 1);
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
    // The record is checked last, because a run stores it before it deletes its
    // intent.
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
