/**
 * Notes about restores into new or empty directories. Such a restore overwrites
 * nothing, so it needs no safety snapshot. The note is enough to undo the
 * restore, because the restore wrote only what is in the snapshot.
 */
import { mapAhead } from "../../bytes/map_ahead.ts";
import { MAX_REQUESTS_AT_ONCE } from "../../storage/max_requests.ts";
import { DeltarError, isDamage } from "../../bytes/errors.ts";
import type { Storage } from "../../storage/storage.ts";
import { decodeLines, encodeLines, type Line } from "../../bytes/listing.ts";
import {
  idBehind,
  idOfObject,
  mostBytesOf,
  timeOfId,
} from "../format/names.ts";
import { deleteEach, namesUnder, readIfThere } from "../format/note.ts";
import { ownIdOf, RESTORES } from "../format/snapshot_note.ts";
import type { SafetyRecord } from "../format/snapshot_record.ts";

const VERSION = 1;

/** A restore into a directory that was new or empty. */
export interface FreshRestore {
  /**
   * The id of the note. It has the form of a snapshot's id, so that restores
   * and safety snapshots can be sorted together.
   */
  id: string;
  /** The directory's absolute path, without symlinks. */
  directory: string;
  /**
   * The operation and the id of the restored snapshot, in the same form as in
   * the record of a safety snapshot.
   */
  safety: SafetyRecord;
  /** Whether the restore created the directory. */
  made: boolean;
  /** The path of the restored folder in the snapshot. Default: the root. */
  from?: string;
  /** The restored paths, below the root of the snapshot. Default: all paths. */
  paths?: readonly string[];
}

/** The fields of a note about a restore into a new or empty directory. */
type Fresh = Pick<FreshRestore, "directory" | "made" | "from" | "paths">;

/**
 * Stores a note about a restore into a directory that is new or empty. If the
 * note is too large or cannot be stored, this function returns without an
 * error. The restore then continues, but deltar cannot undo it.
 *
 * @param storage The repository's storage.
 * @param snapshot The id of the snapshot that is restored.
 * @param fresh The directory and the restored part of the snapshot.
 * @param signal The signal that ends the work with an error of code `aborted`.
 * @throws {DeltarError} `aborted` if the signal fired.
 */
export async function noteFreshRestore(
  storage: Storage,
  snapshot: string,
  { directory, made, from, paths }: Fresh,
  signal?: AbortSignal,
): Promise<void> {
  const now = Date.now();
  const { folder, format } = RESTORES;
  try {
    const id = idBehind(snapshot, now, Math.random());
    const name = `${folder}${snapshot}.${id}.json`;
    const time = new Date(now).toISOString();
    const fields = { snapshot, time, directory, made, from, paths };
    const bytes = encodeLines(format, VERSION, fields, []);
    // Readers refuse a note that exceeds this limit, so it is not stored.
    if (bytes.length > mostBytesOf(name)) return;
    await storage.put(name, bytes, { ifAbsent: true, signal });
  } catch (error) {
    if (!(error instanceof DeltarError) || error.code === "aborted") {
      throw error;
    }
  }
}

/**
 * Returns the recorded restores into a directory that was new or empty, the
 * newest first. Ignores damaged notes.
 *
 * @param storage The repository's storage.
 * @param directory The directory's absolute path, without symlinks.
 */
export async function freshRestoresInto(
  storage: Storage,
  directory: string,
): Promise<FreshRestore[]> {
  const found: FreshRestore[] = [];
  const names = await namesUnder(storage, RESTORES.folder);
  const limits = { most: MAX_REQUESTS_AT_ONCE };
  const notes = mapAhead(names, limits, async (name) => {
    const [snapshot, id] = [idOfObject(name), ownIdOf(name)];
    if (snapshot === undefined || id === undefined) return undefined;
    return await readNote(storage, name, snapshot, id);
  });
  for await (const fresh of notes) {
    if (fresh?.directory === directory) found.push(fresh);
  }
  return found.sort((a, b) => a.id < b.id ? 1 : -1);
}

/**
 * Deletes the notes about restores that took place before a given time.
 *
 * @param storage The repository's storage.
 * @param names The names of all notes about restores.
 * @param before The time, in milliseconds since 1970.
 */
export async function forgetFreshRestores(
  storage: Storage,
  names: readonly string[],
  before: number,
): Promise<void> {
  const old = names.filter((name) => {
    const id = ownIdOf(name);
    const time = id === undefined ? undefined : timeOfId(id);
    return time !== undefined && time < before;
  });
  await deleteEach(storage, old);
}

async function readNote(
  storage: Storage,
  name: string,
  snapshot: string,
  id: string,
): Promise<FreshRestore | undefined> {
  try {
    const bytes = await readIfThere(storage, name);
    if (bytes === undefined) return undefined;
    const { header } = decodeLines(bytes, RESTORES.format, VERSION, name);
    return decodeNote(header, snapshot, id);
  } catch (error) {
    if (!isDamage(error)) throw error;
    return undefined;
  }
}

function decodeNote(
  header: Line,
  snapshot: string,
  id: string,
): FreshRestore | undefined {
  const { directory, made, from, paths } = header;
  const isValid = header.snapshot === snapshot &&
    typeof directory === "string" && typeof made === "boolean" &&
    (from === undefined || typeof from === "string") &&
    (paths === undefined ||
      Array.isArray(paths) && paths.every((path) => typeof path === "string"));
  if (!isValid) return undefined;
  return {
    id,
    directory,
    safety: { before: "restore", of: snapshot },
    made,
    ...from !== undefined && { from: from as string },
    ...paths !== undefined && { paths: paths as string[] },
  };
}
