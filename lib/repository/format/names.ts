/**
 * The names of a repository's objects. Nothing else knows how they are formed;
 * docs/FORMAT.md, "The repository", is the contract.
 *
 * What a repository says is not trusted: a name that is read from an object is
 * checked by `checkPart` against the kind of object that it should be, a copy
 * checks it again, and a `Run` stores nothing but what `isRunObject` allows.
 */

import { type Codec, codecFor, type CodecName } from "../../archive/codec.ts";
import { DeltarError } from "../../bytes/errors.ts";
import { isPlausibleTime } from "./moment.ts";

const MEBIBYTE = 2 ** 20;

/**
 * The largest size of a commit record, in bytes. That of a tree of ten million
 * files has about one.
 */
export const MOST_RECORD: number = 8 * MEBIBYTE;

/**
 * The largest size of what a reader holds in memory as a whole, in bytes, by
 * the folder it lies in.
 */
const MOST_BYTES: Record<string, number> = {
  "deltar.json": MEBIBYTE / 16,
  "settings": MEBIBYTE / 16,
  "lease": MEBIBYTE / 16,
  "labels": MEBIBYTE / 16,
  "proofs": MEBIBYTE / 4,
  "snapshots": MOST_RECORD,
  // They hold a record, or the layers of one, as text.
  "running": 2 * MOST_RECORD,
  "removed": 2 * MOST_RECORD + MEBIBYTE,
  "moves": 64 * MEBIBYTE,
  "checkpoints": 32 * MEBIBYTE,
  "garbage": 64 * MEBIBYTE,
};

/**
 * The largest size of an object that is read as a whole, in bytes. Layers and
 * volumes, which are read by frames, have none.
 */
export function mostBytesOf(name: string): number {
  const slash = name.indexOf("/");
  const folder = slash < 0 ? name : name.slice(0, slash);
  return MOST_BYTES[folder] ?? MOST_RECORD;
}

/** The object that makes a storage a repository. */
export const SETTINGS = "deltar.json";
/** Where commit records lie. */
export const SNAPSHOTS = "snapshots/";

/** The name of a snapshot's commit record. */
export function recordName(id: string): string {
  return `${SNAPSHOTS}${id}.json`;
}

/** The id that a commit record's name holds, if it is one. */
export function idOfRecord(name: string): string | undefined {
  const id = name.slice(SNAPSHOTS.length).replace(/\.json$/, "");
  return name === recordName(id) && ID.test(id) ? id : undefined;
}

/** Where the records of removed snapshots lie until they are purged. */
export const REMOVED = "removed/";
/** Where work in progress says what it needs. */
export const RUNNING = "running/";
/** Where prune notes what nothing leads to. */
export const GARBAGE = "garbage/";
/** Where it is told which volume took the place of another. */
export const MOVES = "moves/";
/** Where a prune says that it is the one. */
export const LEASES = "lease/";
/** Where settings lie that may change. */
export const LATER_SETTINGS = "settings/";
/** Where a run tells what it has finished, until it has ended. */
export const CHECKPOINTS = "checkpoints/";
/** Where repair puts what it replaces, under the name it had. */
export const DAMAGED = "damaged/";
/** Where the layers of trees lie. */
export const TREES = "trees/";
/** Where content and trees lie: what prune collects. */
export const COLLECTED = [
  TREES,
  "volumes/",
  "signatures/",
  CHECKPOINTS,
  MOVES,
] as const;

/** The name of a note about a run: its intent, mark, or removed record. */
export function noteName(
  folder:
    | typeof REMOVED
    | typeof RUNNING
    | typeof GARBAGE
    | typeof LATER_SETTINGS,
  id: string,
): string {
  return `${folder}${id}.json`;
}

/** The id in the name of a note, if it is one of that folder. */
export function idOfNote(folder: string, name: string): string | undefined {
  if (!name.startsWith(folder) || !name.endsWith(".json")) return undefined;
  const id = name.slice(folder.length, -".json".length);
  return ID.test(id) ? id : undefined;
}

/** The name of the object that tells where a volume went. */
export function moveName(volume: string): string {
  return `${MOVES}${volume}.json`;
}

/** The id of the run that wrote a layer or volume, by its name. */
export function idOfObject(name: string): string | undefined {
  const file = name.slice(name.lastIndexOf("/") + 1);
  const id = file.slice(0, file.indexOf("."));
  return ID.test(id) ? id : undefined;
}

/** The name of a snapshot's tree layer. */
export function layerName(id: string, codec: CodecName): string {
  return `${TREES}${id}.ndjson.${codec === "zstd" ? "zst" : "gz"}`;
}

/** The name of what a run tells of its `n`th finished volume. */
export function checkpointName(
  id: string,
  n: number,
  codec: CodecName,
): string {
  return `${CHECKPOINTS}${id}.${n}.ndjson.${codec === "zstd" ? "zst" : "gz"}`;
}

/** The name of volume `n` of a snapshot's content or signatures. */
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
const VOLUME_FORM =
  `(?:volumes|signatures)/${ID_FORM}\\.vol\\d{1,9}\\.(?:tar\\.zst|tgz)`;

/** The objects that records, layers, moves and notes name, by their kind. */
const PARTS = {
  "layer": new RegExp(`^trees/${ID_FORM}\\.ndjson\\.(?:zst|gz)$`),
  "volume": new RegExp(`^${VOLUME_FORM}$`),
  "move": new RegExp(`^moves/${VOLUME_FORM}\\.json$`),
  "checkpoint": new RegExp(
    `^checkpoints/${ID_FORM}\\.\\d{1,9}\\.ndjson\\.(?:zst|gz)$`,
  ),
  "label": new RegExp(`^labels/${ID_FORM}\\.${ID_FORM}\\.json$`),
  "record": new RegExp(`^snapshots/${ID_FORM}\\.json$`),
} as const;

/** A kind of object that others name. */
export type PartKind = keyof typeof PARTS;

/** Whether a value is the name of an object of that kind. */
export function isPart(kind: PartKind, name: unknown): name is string {
  return typeof name === "string" && PARTS[kind].test(name);
}

/**
 * Refuses a name that is not one of an object of that kind.
 *
 * @param kind What the object should be.
 * @param name Its name, as another object has it.
 * @param object The object that names it, for errors.
 * @param offset Where it does.
 * @throws {DeltarError} `corrupt`.
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
    : `the name of a ${kind} is missing`;
  throw new DeltarError("corrupt", what, {
    object,
    offset,
  });
}

/**
 * Whether a run may store an object of that name: what snapshots are made of
 * and labels, but never settings, marks, leases or other runs' intents.
 */
export function isRunObject(name: string): boolean {
  return Object.values(PARTS).some((form) => form.test(name));
}

/** Whether a value is an id of a snapshot or run. */
export function isId(value: unknown): value is string {
  return typeof value === "string" && ID.test(value);
}

/**
 * Whether an id is of a safety snapshot: it holds only what a restore was
 * about to change, so nothing is compared with it.
 */
export function isSafety(id: string): boolean {
  return id.endsWith("-safety");
}

/**
 * The time that an id holds, in milliseconds since 1970; `undefined` if no
 * clock can have given it: a month 13, or a year before 1970 or from 2200 on.
 */
export function timeOfId(id: string): number | undefined {
  const [, y, mo, d, h, mi, s, ms] =
    /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z-([0-9a-f]{3})/.exec(id) ?? [];
  const text = `${y}-${mo}-${d}T${h}:${mi}:${s}.000Z`;
  const second = Date.parse(text);
  // Some runtimes take 30 February for 2 March.
  if (Number.isNaN(second) || new Date(second).toISOString() !== text) {
    return undefined;
  }
  const time = second + parseInt(ms, 16);
  return isPlausibleTime(time) ? time : undefined;
}

/**
 * Makes an id: the time to the second, readable; then the milliseconds and
 * chance, three hexadecimal digits each. Ids sort by time.
 *
 * @param now The time, in milliseconds since 1970.
 * @param chance A number from 0 up to 1.
 * @throws {DeltarError} `io` if the time is before 1970 or from the year 2200
 * on: what had such an id would never be listed.
 */
export function newId(now: number, chance: number): string {
  if (!isPlausibleTime(now)) {
    throw new DeltarError(
      "io",
      "the time for a new id is not between the years 1970 and 2200; set " +
        "this machine's clock",
      { object: "clock" },
    );
  }
  const time = new Date(now).toISOString();
  const seconds = time.slice(0, 19).replaceAll(/[-:]/g, "");
  const hex = (value: number) => value.toString(16).padStart(3, "0");
  return `${seconds}Z-${hex(now % 1000)}${hex(Math.floor(chance * 4096))}`;
}

/**
 * Makes an id that sorts behind another, whatever the clock did.
 *
 * @param last The other id; `undefined` if there is none.
 * @param now The time, in milliseconds since 1970.
 * @param chance A number from 0 up to 1.
 * @throws {DeltarError} `corrupt` if nothing can sort behind the other id;
 * `io` as for `newId`.
 */
export function idBehind(
  last: string | undefined,
  now: number,
  chance: number,
): string {
  const id = newId(now, chance);
  if (last === undefined || id > last) return id;
  const next = (timeOfId(last) ?? NaN) + 1;
  if (isPlausibleTime(next)) return newId(next, chance);
  throw new DeltarError(
    "corrupt",
    "no id can sort behind this one, whose time cannot be right; remove it " +
      "with `deltar forget`",
    { object: last },
  );
}

/** Returns the compression of an object, by its name. */
export function codecOf(name: string): Codec {
  return codecFor(/\.(?:tgz|gz)$/.test(name) ? "gzip" : "zstd");
}
