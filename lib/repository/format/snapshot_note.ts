import {
  type DamageHandler,
  DeltarError,
  isDamage,
} from "../../bytes/errors.ts";
import type { Storage } from "../../storage/storage.ts";
import { decodeLines, encodeLines, type Line } from "../../bytes/listing.ts";
import { idBehind, idOfObject, timeOfId } from "./names.ts";
import { namesUnder, readIfThere } from "./note.ts";

const VERSION = 1;

/** A kind of note about snapshots; records themselves are never changed. */
export interface NoteKind {
  /** The folder that they lie in, with its `/`. */
  folder: string;
  /** The name of their format. */
  format: string;
}

/** Labels that were given, or taken away, after the snapshot was made. */
export const LABELS: NoteKind = { folder: "labels/", format: "deltar-label" };
/** When files of a snapshot were last restored and compared. */
export const PROOFS: NoteKind = { folder: "proofs/", format: "deltar-proof" };
/** The restores of a snapshot into directories that were new or empty. */
export const RESTORES: NoteKind = {
  folder: "restores/",
  format: "deltar-restore",
};

/**
 * Puts a note about a snapshot under a name of its own; of several the one
 * with the last name counts.
 *
 * @param fields What it says, besides the snapshot and the time.
 */
export async function putSnapshotNote(
  storage: Storage,
  { folder, format }: NoteKind,
  snapshot: string,
  fields: Line,
): Promise<void> {
  const now = Date.now();
  const names = await namesUnder(storage, `${folder}${snapshot}.`);
  const before = names.findLast((name) => ownIdOf(name) !== undefined);
  // The last one counts, whatever the clock did.
  const id = idBehind(before && ownIdOf(before), now, Math.random());
  const time = new Date(now).toISOString();
  const bytes = encodeLines(format, VERSION, { snapshot, time, ...fields }, []);
  const name = `${folder}${snapshot}.${id}.json`;
  await storage.put(name, bytes, { ifAbsent: true });
}

/**
 * The last note of each snapshot that has one, by its id; one that is damaged
 * gives way to the one before it.
 *
 * @param onDamage Told of notes that cannot be read.
 * @throws {DeltarError} `unsupported`, without `onDamage`, if one is of a later
 * version.
 */
export async function readSnapshotNotes(
  storage: Storage,
  { folder, format }: NoteKind,
  onDamage?: DamageHandler,
): Promise<Map<string, Line>> {
  const notes = new Map<string, Line>();
  for (const name of (await namesUnder(storage, folder)).reverse()) {
    const id = idOfObject(name);
    if (id === undefined || notes.has(id)) continue;
    if (ownIdOf(name) === undefined) continue;
    try {
      const bytes = await readIfThere(storage, name);
      if (bytes === undefined) continue;
      const { header } = decodeLines(bytes, format, VERSION, name);
      if (header.snapshot === id) notes.set(id, header);
    } catch (error) {
      if (isDamage(error)) onDamage?.(error);
      else if (onDamage !== undefined && isOfLater(error)) onDamage(error);
      else throw error;
    }
  }
  return notes;
}

/** Whether a note is of a version that is not known. */
function isOfLater(error: unknown): error is DeltarError {
  return error instanceof DeltarError && error.code === "unsupported";
}

/** The id of a note's own, unless no clock can have given it. */
export function ownIdOf(name: string): string | undefined {
  const id = name.split(".").at(-2);
  return id !== undefined && timeOfId(id) !== undefined ? id : undefined;
}
