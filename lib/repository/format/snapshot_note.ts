import {
  codeOf,
  type DamageHandler,
  DeltarError,
  isDamage,
} from "../../bytes/errors.ts";
import type { Storage } from "../../storage/storage.ts";
import { decodeLines, encodeLines, type Line } from "../../bytes/listing.ts";
import type { SigningKey } from "../../ssh/ed25519.ts";
import { existing } from "../../bytes/existing.ts";
import { mapAhead } from "../../bytes/map_ahead.ts";
import { MAX_REQUESTS_AT_ONCE } from "../../storage/max_requests.ts";
import { idBehind, idOfObject, timeOfId } from "./names.ts";
import { namesUnder, readIfThere } from "./note.ts";
import { signerOf, signListing } from "./signed_listing.ts";

const VERSION = 1;

/**
 * A kind of note about a snapshot. A note records something about a snapshot
 * after its record was stored, such as a new label, because the record itself
 * never changes.
 */
export interface NoteKind {
  /** The folder of the notes, with a `/` at the end. */
  folder: string;
  /** The name of the format of the notes. */
  format: string;
}

/** Notes with labels that were changed after the snapshot was taken. */
export const LABELS: NoteKind = { folder: "labels/", format: "deltar-label" };
/**
 * Notes about drills. Each note has the time and the result of one drill of a
 * snapshot.
 */
export const PROOFS: NoteKind = { folder: "proofs/", format: "deltar-proof" };
/** Notes about restores of a snapshot into new or empty directories. */
export const RESTORES: NoteKind = {
  folder: "restores/",
  format: "deltar-restore",
};

/**
 * Stores a note about a snapshot under a new name. If a snapshot has several
 * notes of one kind, only the note whose name sorts last is used.
 *
 * @param storage The repository's storage.
 * @param kind The kind of the note.
 * @param snapshot The id of the snapshot.
 * @param fields The fields of the note, in addition to the snapshot and the
 *   time.
 * @param key The key that signs the note; absent for an unsigned note.
 */
export async function putSnapshotNote(
  storage: Storage,
  kind: NoteKind,
  snapshot: string,
  fields: Line,
  key?: SigningKey,
): Promise<void> {
  const { folder } = kind;
  const now = Date.now();
  const names = await namesUnder(storage, `${folder}${snapshot}.`);
  const before = names.findLast((name) => ownIdOf(name) !== undefined);
  // Readers use the note whose name sorts last. The new name must therefore
  // sort last, even if the clock was set back.
  const id = idBehind(before && ownIdOf(before), now, Math.random(), before);
  const time = new Date(now).toISOString();
  const name = `${folder}${snapshot}.${id}.json`;
  const header = { snapshot, time, ...fields };
  const bytes = await encodeSnapshotNote(kind, name, header, key);
  await storage.put(name, bytes, { ifAbsent: true });
}

/**
 * Encodes a note about a snapshot. A signed note contains its own name, so that
 * readers ignore a copy of the note under another name.
 *
 * @param kind The kind of the note.
 * @param name The name of the note.
 * @param header The fields of the note.
 * @param key The key that signs the note; `undefined` for an unsigned note.
 */
export async function encodeSnapshotNote(
  { format }: NoteKind,
  name: string,
  header: Line,
  key: SigningKey | undefined,
): Promise<Uint8Array> {
  if (key === undefined) return encodeLines(format, VERSION, header, []);
  const bytes = encodeLines(format, VERSION, { ...header, name }, []);
  return await signListing(bytes, key);
}

/** A note about a snapshot. */
export interface SnapshotNote {
  /** The name of the note. */
  name: string;
  /** The id of the snapshot. */
  id: string;
  /** The fields of the note. */
  header: Line;
  /** The public key of the signer; `undefined` if the note is not signed. */
  signer: string | undefined;
}

/**
 * Reads a note about a snapshot. If the note has an SSH signature, the
 * signature is checked. The caller must decide whether the signer is trusted.
 *
 * @param bytes The bytes of the note.
 * @param kind The expected kind of the note.
 * @param name The name of the object that contains the note.
 * @throws {DeltarError} `corrupt` or `truncated` if the note is damaged, if its
 *   SSH signature is not valid, or if the note names another snapshot or
 *   object; `unsupported` if its version is too new.
 */
export async function decodeSnapshotNote(
  bytes: Uint8Array,
  { format }: NoteKind,
  name: string,
): Promise<SnapshotNote> {
  const { header } = decodeLines(bytes, format, VERSION, name);
  const signer = await signerOf(bytes, name);
  const id = idOfObject(name);
  const isNamed = signer === undefined || header.name === name;
  if (id !== undefined && header.snapshot === id && isNamed) {
    return { name, id, header, signer };
  }
  throw new DeltarError(
    "corrupt",
    "the object contains a note with another name or about another snapshot",
    {
      object: name,
    },
  );
}

/** Options for reading notes about snapshots. */
export interface ReadNotesOptions {
  /**
   * Called with the error of each note that is damaged or whose version is too
   * new. By default, damaged notes are ignored, and the error of a note whose
   * version is too new is thrown.
   */
  onDamage?: DamageHandler;
  /**
   * The ids of the snapshots whose notes are read. By default, the notes of all
   * snapshots are read.
   */
  snapshots?: { has: (id: string) => boolean };
  /**
   * The sorted names of all notes of the kind, if the caller has listed them.
   * By default, the notes are listed.
   */
  names?: readonly string[];
  /**
   * Called with each note that was read. Returns whether the signer of the note
   * is trusted. Notes that are not trusted are ignored. By default, all notes
   * are used.
   */
  isTrusted?: (note: SnapshotNote) => Promise<boolean>;
}

/**
 * Returns the fields of the last readable and trusted note of each snapshot, by
 * the snapshot's id. If a note cannot be read or is not trusted, the previous
 * note of the snapshot is used.
 *
 * @param storage The repository's storage.
 * @param kind The kind of the notes.
 * @param options Options for reading the notes.
 * @throws {DeltarError} `unsupported` if the version of a note is too new and
 *   there is no `onDamage`; also the errors of the storage.
 */
export async function readSnapshotNotes(
  storage: Storage,
  kind: NoteKind,
  { names: listed, onDamage, snapshots, isTrusted }: ReadNotesOptions = {},
): Promise<Map<string, Line>> {
  const readLast = async (
    names: readonly string[],
  ): Promise<SnapshotNote | undefined> => {
    for (const name of names) {
      if (ownIdOf(name) === undefined) continue;
      try {
        const bytes = await readIfThere(storage, name);
        if (bytes === undefined) continue;
        const note = await decodeSnapshotNote(bytes, kind, name);
        if (await isTrusted?.(note) !== false) return note;
      } catch (error) {
        // A write-only key cannot decrypt notes that other machines stored.
        if (codeOf(error) === "key") continue;
        if (isDamage(error)) onDamage?.(error);
        else if (onDamage !== undefined && isOfLater(error)) onDamage(error);
        else throw error;
      }
    }
    return undefined;
  };
  const names = listed ?? await namesUnder(storage, kind.folder);
  const bySnapshot = Map.groupBy(names.toReversed(), idOfObject);
  const ids = [...bySnapshot.keys()]
    .filter((id) => id !== undefined && snapshots?.has(id) !== false);
  const limits = { most: MAX_REQUESTS_AT_ONCE };
  const found = mapAhead(
    ids,
    limits,
    (id) => readLast(existing(bySnapshot, id)),
  );
  const notes = new Map<string, Line>();
  for await (const note of found) {
    if (note !== undefined) notes.set(note.id, note.header);
  }
  return notes;
}

/** Returns whether an error was caused by a note whose version is too new. */
function isOfLater(error: unknown): error is DeltarError {
  return error instanceof DeltarError && error.code === "unsupported";
}

/**
 * Returns the id of a note. The name of a note contains the id of the snapshot
 * and then the id of the note. Returns `undefined` if the time in the id is not
 * plausible.
 */
export function ownIdOf(name: string): string | undefined {
  const id = name.split(".").at(-2);
  return id !== undefined && timeOfId(id) !== undefined ? id : undefined;
}
