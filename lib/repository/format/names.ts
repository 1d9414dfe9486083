/**
 * The names of a repository's objects. "The repository" in docs/FORMAT.md
 * specifies them.
 *
 * The content of a repository is not trusted. `checkPart` checks each name of a
 * layer or volume that is read from an object. A copy checks each name again
 * before storing the object, and a `Run` stores only objects that `isRunObject`
 * allows.
 *
 * The other files of this directory read and write the objects themselves.
 * `snapshot_record.ts` handles the records of snapshots, `turn_record.ts` the
 * turns of AI agents in these records, `settings.ts` the id, compression and
 * encryption of the repository, and `snapshot_note.ts` notes about snapshots,
 * such as changed labels. `signed_listing.ts` signs objects and checks SSH
 * signatures. `note.ts` reads whole objects and lists names. `moment.ts` parses
 * times. `plausible_times.ts` decides which times of snapshots are plausible.
 * `place_of.ts` finds the folder that the paths of a snapshot are relative to.
 *
 * @module
 */

import { type Codec, codecFor, type CodecName } from "../../archive/codec.ts";
import { DeltarError } from "../../bytes/errors.ts";
import { isPlausibleTime } from "./moment.ts";

const MEBIBYTE = 2 ** 20;

/**
 * The maximum size of a commit record, in bytes. The record of a tree of ten
 * million files takes about 1 MiB.
 */
export const MAX_RECORD_BYTES: number = 8 * MEBIBYTE;

/**
 * The maximum sizes, in bytes, of objects that are read completely into memory.
 * The keys are the names of folders, and of objects that are not in a folder.
 */
const MAX_BYTES: Record<string, number> = {
  "deltar.json": MEBIBYTE / 16,
  "settings": MEBIBYTE / 16,
  "lease": MEBIBYTE / 16,
  "labels": MEBIBYTE / 16,
  "copied": MEBIBYTE / 16,
  "holders": MEBIBYTE / 16,
  "signers": MEBIBYTE / 16,
  "recipients.json": MEBIBYTE / 16,
  "proofs": MEBIBYTE / 4,
  "snapshots": MAX_RECORD_BYTES,
  // The objects in these two folders contain the text of a record, or the list
  // of a record's layers.
  "running": 2 * MAX_RECORD_BYTES,
  "removed": 2 * MAX_RECORD_BYTES + MEBIBYTE,
  "moves": 64 * MEBIBYTE,
  "checkpoints": 32 * MEBIBYTE,
  "garbage": 64 * MEBIBYTE,
  "judged": 64 * MEBIBYTE,
  "manifests": 64 * MEBIBYTE,
};

/**
 * Returns the maximum size, in bytes, of an object that is read completely into
 * memory. Layers and volumes are read frame by frame and have no such maximum.
 */
export function mostBytesOf(name: string): number {
  const slash = name.indexOf("/");
  const folder = slash < 0 ? name : name.slice(0, slash);
  return MAX_BYTES[folder] ?? MAX_RECORD_BYTES;
}

/** The name of the settings object, which every repository has. */
export const SETTINGS = "deltar.json";
/** The folder of the key files of an encrypted repository. */
export const KEYS = "keys/";
/**
 * The folder of the holders of keys, and of the objects that announce changes
 * to keys.
 */
export const HOLDERS = "holders/";
/** The folder of the objects that announce changes to keys. */
export const CHANGES: string = `${HOLDERS}changes/`;
/** The folder of the signers. */
export const SIGNERS = "signers/";
/** The name of the list of recipients, which a rotation stores. */
export const RECIPIENTS = "recipients.json";
/** The folder of commit records. */
export const SNAPSHOTS = "snapshots/";

/** Returns the name of a snapshot's commit record. */
export function recordName(id: string): string {
  return `${SNAPSHOTS}${id}.json`;
}

/**
 * Returns the id in the name of a commit record; `undefined` for other names.
 */
export function idOfRecord(name: string): string | undefined {
  const id = name.slice(SNAPSHOTS.length).replace(/\.json$/, "");
  return name === recordName(id) && ID.test(id) ? id : undefined;
}

/** The folder of the notes in which machines vouch for copied snapshots. */
export const COPIED = "copied/";
/**
 * The folder of the records of snapshots that were removed and can be brought
 * back.
 */
export const REMOVED = "removed/";
/** The folder of the intents of runs. */
export const RUNNING = "running/";
/** The folder of the marks of prunes and purges. */
export const GARBAGE = "garbage/";
/**
 * The folder of the lists of snapshots to which retention rules were applied.
 */
export const JUDGED = "judged/";
/**
 * The folder of moves. A move names a repacked volume and the volume that
 * replaced it.
 */
export const MOVES = "moves/";
/** The folder of the lease of the current prune, rekey or purge. */
export const LEASES = "lease/";
/**
 * The folder of settings that can change, such as the maximum size of the
 * repository.
 */
export const LATER_SETTINGS = "settings/";
/**
 * The folder of checkpoints. A run stores one or more checkpoints for each
 * volume that it finishes, and deletes them after it has stored its commit
 * record.
 */
export const CHECKPOINTS = "checkpoints/";
/**
 * The folder to which a repair copies objects before it corrects or deletes
 * them.
 */
export const DAMAGED = "damaged/";
/** The folder of the manifests of an encrypted repository. */
export const MANIFESTS = "manifests/";
/** The folder of the layers of trees. */
export const TREES = "trees/";
/** The folders in which prunes search for garbage. */
export const COLLECTED = [
  TREES,
  "volumes/",
  "signatures/",
  CHECKPOINTS,
  MOVES,
] as const;

/**
 * Returns the name of an intent, a mark, the record of a removed snapshot, a
 * list of snapshots to which retention rules were applied, or settings that can
 * change.
 *
 * @param folder The folder of the object, such as `running/`.
 * @param id The id of the object.
 */
export function noteName(
  folder:
    | typeof REMOVED
    | typeof RUNNING
    | typeof GARBAGE
    | typeof JUDGED
    | typeof LATER_SETTINGS,
  id: string,
): string {
  return `${folder}${id}.json`;
}

/**
 * Returns the id in a name that `noteName` returned for this folder;
 * `undefined` for other names.
 *
 * @param folder The folder, such as `running/`.
 * @param name The name of an object.
 */
export function idOfNote(folder: string, name: string): string | undefined {
  if (!name.startsWith(folder) || !name.endsWith(".json")) return undefined;
  const id = name.slice(folder.length, -".json".length);
  return ID.test(id) ? id : undefined;
}

/** Returns the name of the move for a repacked volume. */
export function moveName(volume: string): string {
  return `${MOVES}${volume}.json`;
}

/**
 * Returns the name of a manifest of a run.
 *
 * @param id The id of the run.
 * @param n The number of the manifest in the run, counted from 0.
 */
export function manifestName(id: string, n: number): string {
  return `${MANIFESTS}${id}.${n}.json`;
}

/**
 * Returns the id in the name of a manifest of a run; `undefined` for other
 * names.
 */
export function idOfManifest(name: string): string | undefined {
  return MANIFEST.exec(name)?.[1];
}

/**
 * The folders and names of the objects that have their own manifests: keys,
 * notes, and other objects that can be replaced or deleted at any time.
 */
export const NOTED = [
  KEYS,
  HOLDERS,
  SIGNERS,
  RECIPIENTS,
  "labels/",
  "proofs/",
  "restores/",
  COPIED,
  REMOVED,
  LATER_SETTINGS,
  JUDGED,
  GARBAGE,
] as const;

/**
 * Returns whether an object has its own manifests. `file` is the name of the
 * object as it is stored, with the ending `.age` if it is encrypted.
 */
export function isNoted(file: string): boolean {
  return NOTED_FILE.test(file);
}

/**
 * Returns whether the manifests of an object must be signed by the admin key,
 * which is the case for keys, holders, signers and the list of recipients.
 *
 * @param file The name of the object, as it is stored.
 */
export function isOfAdmin(file: string): boolean {
  return [KEYS, HOLDERS, SIGNERS, RECIPIENTS]
    .some((folder) => file.startsWith(folder));
}

/**
 * Returns the name of a manifest of a single object.
 *
 * @param file The name of the object, as it is stored.
 * @param id The id of the manifest.
 */
export function noteManifestName(file: string, id: string): string {
  return `${manifestsOf(file)}${id}.json`;
}

/**
 * Returns the beginning of the names of the manifests of a single object.
 *
 * @param file The name of the object, as it is stored.
 */
export function manifestsOf(file: string): string {
  return `${MANIFESTS}${file}.`;
}

/**
 * Splits the name of an object's own manifest into the stored name of the
 * object and the id of the manifest. Returns `undefined` for other names.
 */
export function partsOfNoteManifest(
  name: string,
): { file: string; id: string } | undefined {
  const [, file, id] = NOTE_MANIFEST.exec(name) ?? [];
  return file !== undefined && isNoted(file) ? { file, id } : undefined;
}

/** The folders of the objects that the manifests of runs list. */
export const LISTED = [
  SNAPSHOTS,
  TREES,
  "volumes/",
  "signatures/",
  MOVES,
] as const;

/**
 * Returns whether the manifests of runs list an object with this name. They
 * list records, layers, moves, and the volumes of contents and of signatures.
 */
export function isListed(name: string): boolean {
  return isPart("record", name) || isPart("layer", name) ||
    isPart("volume", name) || isPart("move", name);
}

/**
 * Returns the id at the beginning of an object's file name. For a layer or
 * volume, this is the id of the run that wrote the object; only a purge gives
 * its layers other ids. Returns `undefined` if the file name does not begin
 * with an id.
 */
export function idOfObject(name: string): string | undefined {
  const file = name.slice(name.lastIndexOf("/") + 1);
  const id = file.slice(0, file.indexOf("."));
  return ID.test(id) ? id : undefined;
}

/**
 * Returns the name of a layer.
 *
 * @param id The id of the run that writes the layer or, in a purge, an unused
 * id.
 * @param codec The compression of the layer.
 */
export function layerName(id: string, codec: CodecName): string {
  return `${TREES}${id}.ndjson.${codec === "zstd" ? "zst" : "gz"}`;
}

/**
 * Returns the name of a checkpoint, which a run stores after it has finished a
 * volume.
 *
 * @param id The id of the run.
 * @param n The number of the checkpoint in the run, counted from 0.
 * @param codec The compression of the checkpoint.
 */
export function checkpointName(
  id: string,
  n: number,
  codec: CodecName,
): string {
  return `${CHECKPOINTS}${id}.${n}.ndjson.${codec === "zstd" ? "zst" : "gz"}`;
}

/**
 * Returns the name of a volume.
 *
 * @param folder The folder of the volume: `volumes` for contents, `signatures`
 * for signatures.
 * @param id The id of the run that writes the volume.
 * @param n The number of the volume in the run, counted from 0.
 * @param codec The compression of the volume.
 */
export function volumeName(
  folder: "volumes" | "signatures",
  id: string,
  n: number,
  codec: CodecName,
): string {
  return `${folder}/${id}.vol${n}.${codec === "zstd" ? "tar.zst" : "tgz"}`;
}

const ID_FORM = "\\d{8}T\\d{6}Z-[0-9a-f]{6}(?:-safety)?";
const ID = new RegExp(`^${ID_FORM}$`);
const MANIFEST = new RegExp(`^manifests/(${ID_FORM})\\.\\d{1,9}\\.json$`);
const NOTE_MANIFEST = new RegExp(`^manifests/(.+)\\.(${ID_FORM})\\.json$`);
const NOTED_FILE =
  /^(?:keys\/.+\.age|recipients\.json\.age|garbage\/.+\.json|(?:holders|signers|labels|proofs|restores|copied|removed|settings|judged)\/.+\.json\.age)$/;
const VOLUME_FORM =
  `(?:volumes|signatures)/${ID_FORM}\\.vol\\d{1,9}\\.(?:tar\\.zst|tgz)`;

/**
 * The patterns of the names of the objects that a run may store through its
 * `storage`, by kind.
 */
const PARTS = {
  "layer": new RegExp(`^trees/${ID_FORM}\\.ndjson\\.(?:zst|gz)$`),
  "volume": new RegExp(`^${VOLUME_FORM}$`),
  "move": new RegExp(`^moves/${VOLUME_FORM}\\.json$`),
  "checkpoint": new RegExp(
    `^checkpoints/${ID_FORM}\\.\\d{1,9}\\.ndjson\\.(?:zst|gz)$`,
  ),
  "label": new RegExp(`^labels/${ID_FORM}\\.${ID_FORM}\\.json$`),
  "copied": new RegExp(`^copied/${ID_FORM}\\.[0-9a-f]{16}\\.json$`),
  "record": new RegExp(`^snapshots/${ID_FORM}\\.json$`),
} as const;

/** A kind of object that a run may store through its `storage`. */
export type PartKind = keyof typeof PARTS;

/** Returns whether a value is a valid name for an object of this kind. */
export function isPart(kind: PartKind, name: unknown): name is string {
  return typeof name === "string" && PARTS[kind].test(name);
}

/**
 * Throws an error if a value is not a valid name for an object of this kind.
 *
 * @param kind The expected kind of the object.
 * @param name The value to check.
 * @param object The name of the object that contains the value, for error
 *   messages.
 * @param offset The offset of the value's line in that object, in bytes.
 * @throws {DeltarError} `corrupt` if the name is not valid.
 */
export function checkPart(
  kind: PartKind,
  name: unknown,
  object: string,
  offset?: number,
): asserts name is string {
  if (isPart(kind, name)) return;
  const what = typeof name === "string"
    ? `${JSON.stringify(name).slice(0, 200)} is not the name of a ${kind}`
    : `the name of a ${kind} is missing or not a string`;
  throw new DeltarError("corrupt", what, {
    object,
    offset,
  });
}

/**
 * Returns whether a run may store an object with this name through its
 * `storage`. A run may store records, layers, volumes, moves, checkpoints,
 * labels, and notes about copied snapshots, but not settings, marks or leases.
 * The intent of a run is not stored through `storage`.
 */
export function isRunObject(name: string): boolean {
  return Object.values(PARTS).some((form) => form.test(name));
}

/** Returns whether a value is a valid id of a snapshot or run. */
export function isId(value: unknown): value is string {
  return typeof value === "string" && ID.test(value);
}

/**
 * Returns whether an id belongs to a safety snapshot. A safety snapshot has
 * only the paths that a restore, undo or redo was about to change, so it is
 * never a parent.
 */
export function isSafety(id: string): boolean {
  return id.endsWith("-safety");
}

/**
 * Returns the time in an id, in milliseconds since 1970. Returns `undefined` if
 * the time does not exist, such as a time in month 13, or is not in the years
 * 1970 to 2199.
 */
export function timeOfId(id: string): number | undefined {
  const [, y, mo, d, h, mi, s, ms] =
    /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z-([0-9a-f]{3})/.exec(id) ?? [];
  const text = `${y}-${mo}-${d}T${h}:${mi}:${s}.000Z`;
  const second = Date.parse(text);
  // Some runtimes read 30 February as 2 March.
  if (Number.isNaN(second) || new Date(second).toISOString() !== text) {
    return undefined;
  }
  const time = second + parseInt(ms, 16);
  return isPlausibleTime(time) ? time : undefined;
}

/**
 * Returns a new id for a snapshot or run. The id consists of the time to the
 * second in readable form, the milliseconds and a random number. The
 * milliseconds and the random number have three hexadecimal digits each. Ids
 * sort by time.
 *
 * @param now The time, in milliseconds since 1970.
 * @param chance A random number, at least 0 and less than 1.
 * @throws {DeltarError} `io` if the time is before 1970 or after 2199, because
 * readers do not accept such an id.
 */
export function newId(now: number, chance: number): string {
  if (!isPlausibleTime(now)) {
    throw new DeltarError(
      "io",
      "the year of this machine's clock is not between 1970 and 2199; set the clock",
      { object: "clock" },
    );
  }
  const time = new Date(now).toISOString();
  const seconds = time.slice(0, 19).replaceAll(/[-:]/g, "");
  const hex = (value: number) => value.toString(16).padStart(3, "0");
  return `${seconds}Z-${hex(now % 1000)}${hex(Math.floor(chance * 4096))}`;
}

/**
 * Returns a new id that sorts after another id, even if the clock was set back.
 *
 * @param last The other id; `undefined` if there is none.
 * @param now The time, in milliseconds since 1970.
 * @param chance A random number, at least 0 and less than 1.
 * @param note The name of the object with the other id, for error messages.
 * Absent if this object is the record of a snapshot.
 * @throws {DeltarError} `corrupt` if the new id would not sort after the other
 * id, and the time in the other id is not plausible; also the error of `newId`.
 */
export function idBehind(
  last: string | undefined,
  now: number,
  chance: number,
  note?: string,
): string {
  const id = newId(now, chance);
  if (last === undefined || id > last) return id;
  const next = (timeOfId(last) ?? NaN) + 1;
  if (isPlausibleTime(next)) return newId(next, chance);
  throw new DeltarError(
    "corrupt",
    "the time in the id is not plausible, and a new id would not sort after " +
      "this id; " +
      (note === undefined
        ? `remove the snapshot with \`deltar forget ${last}\``
        : "delete this object from the storage"),
    { object: note ?? last },
  );
}

/**
 * Returns the codec of a layer, checkpoint or volume, according to the ending
 * of its name.
 */
export function codecOf(name: string): Codec {
  return codecFor(/\.(?:tgz|gz)$/.test(name) ? "gzip" : "zstd");
}
