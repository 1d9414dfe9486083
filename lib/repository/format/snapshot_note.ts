import {
  codeOf,
  type DamageHandler,
  DeltarError,
  isDamage,
} from "../../bytes/errors.ts";
import type { Storage } from "../../storage/storage.ts";
import { decodeLines, encodeLines, type Line } from "../../bytes/listing.ts";
import { idBehind, idOfObject, timeOfId } from "./names.ts";
import { namesUnder, readIfThere } from "./note.ts";

const VERSION = 1;

/**
 * A kind of note about a snapshot. A note records a later change, such as
 * another label, because records never change.
 */
export interface NoteKind {
  /** The folder of the notes, with its `/`. */
  folder: string;
  /** The name of the format of the notes. */
  format: string;
}

/** The notes of labels that were changed after the snapshot was taken. */
export const LABELS: NoteKind = { folder: "labels/", format: "deltar-label" };
/**
 * The notes of drills: the last time that files of a snapshot were restored and
 * compared.
 */
export const PROOFS: NoteKind = { folder: "proofs/", format: "deltar-proof" };
/** The notes of restores of a snapshot into new or empty directories. */
export const RESTORES: NoteKind = {
  folder: "restores/",
  format: "deltar-restore",
};

/**
 * Stores a note about a snapshot under a new name. Of several notes of a kind
 * about a snapshot, the one whose name sorts last counts.
 *
 * @param storage The repository's storage.
 * @param kind The kind of the note.
 * @param snapshot The id of the snapshot.
 * @param fields The fields of the note besides the snapshot and the time.
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
  // The note whose name sorts last counts, so the new id must sort last even if
  // the clock was set back.
  const id = idBehind(before && ownIdOf(before), now, Math.random());
  const time = new Date(now).toISOString();
  const bytes = encodeLines(format, VERSION, { snapshot, time, ...fields }, []);
  const name = `${folder}${snapshot}.${id}.json`;
  await storage.put(name, bytes, { ifAbsent: true });
}

/**
 * Returns the last readable note of each snapshot that has one, by the
 * snapshot's id. If a note is damaged, the one before it is used.
 *
 * @param onDamage Called with the error of each note that cannot be read.
 * @throws {DeltarError} `unsupported` if a note has a newer version and there
 * is no `onDamage`.
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
      // A note about another machine's snapshot, if the key is write-only.
      if (codeOf(error) === "key") continue;
      if (isDamage(error)) onDamage?.(error);
      else if (onDamage !== undefined && isOfLater(error)) onDamage(error);
      else throw error;
    }
  }
  return notes;
}

/** Returns whether an error was caused by a note of a newer version. */
function isOfLater(error: unknown): error is DeltarError {
  return error instanceof DeltarError && error.code === "unsupported";
}

/**
 * Returns the id of a note, which is the second id in its name, after the
 * snapshot's; `undefined` if the time in the id is not plausible.
 */
export function ownIdOf(name: string): string | undefined {
  const id = name.split(".").at(-2);
  return id !== undefined && timeOfId(id) !== undefined ? id : undefined;
}
