import { DeltarError } from "../../bytes/errors.ts";
import { toHex } from "../../bytes/hex.ts";
import { sha256 } from "../../bytes/sha256.ts";
import type { Storage } from "../../storage/storage.ts";
import type { Metadata } from "../../tree/entry.ts";
import {
  checkOrder,
  decodeMetadata,
  encodeMetadata,
} from "../../tree/entry_line.ts";
import { isCount } from "../../bytes/is_count.ts";
import type { IgnoreOptions } from "../../tree/ignore_rules.ts";
import { decodeLines, encodeLines, type Line } from "../../bytes/listing.ts";
import {
  checkPart,
  isId,
  MOST_RECORD,
  type PartKind,
  recordName,
  timeOfId,
} from "./names.ts";
import { readObject, timeOf } from "./note.ts";

/** A stored object as the records that need it name it. */
export interface ObjectRecord {
  /** The object's name. */
  name: string;
  /** Its length in bytes. */
  size: number;
  /** The SHA-256 of its bytes, in hexadecimal. */
  sha256: string;
}

/** A run of a layer's lines, compressed by itself. */
export interface LayerFrame {
  /** Its length in bytes; the first begins the object, each follows another. */
  length: number;
  /** The SHA-256 of its bytes, in hexadecimal. */
  sha256: string;
  /**
   * Not behind its first path, and behind all paths of the frames before;
   * absent if it has none.
   */
  first?: string;
}

/** A layer of a snapshot's tree. */
export interface LayerRecord extends ObjectRecord {
  /** The number of its entries and tombstones. */
  entries: number;
  /** Its frames. */
  frames: LayerFrame[];
  /** A filter of its paths in base64, if they are few. */
  filter?: string;
}

/** The numbers of a snapshot. */
export interface SnapshotCounts {
  /** Files in the tree, hard links counted once. */
  files: number;
  /** Directories in the tree. */
  directories: number;
  /** Symlinks and further names of hard links in the tree. */
  links: number;
  /** The length of all files, in bytes. */
  bytes: number;
  /** New files and links. */
  created: number;
  /** Files and links with other content or target. */
  updated: number;
  /** Files and links that are gone; what was skipped is not. */
  deleted: number;
  /** Files with another name. */
  renamed: number;
  /** Files that are, with the same content, under another name too. */
  copied: number;
  /**
   * Entries, and the directory itself, of which only mode, time, owner or hard
   * links are others.
   */
  touched: number;
  /** Bytes that were added to the repository, this record not counted. */
  stored: number;
  /** The number of paths that could not be stored as they were. */
  faults: number;
}

/**
 * The commit record of one snapshot: before it exists the snapshot does not.
 */
export interface SnapshotRecord {
  /** The snapshot's id, which sorts behind its parent's. */
  id: string;
  /**
   * When it was begun by the clock of its machine, in milliseconds since 1970.
   * If the parent's clock ran ahead, the time in the id is a later one.
   */
  time: number;
  /** Its duration in milliseconds. */
  duration: number;
  /** The directory, as the machine named it that made the snapshot. */
  directory: string;
  /** Mode, time and owner of the directory itself. */
  root: Metadata;
  /** The user's name for it. */
  label?: string;
  /** The snapshot that this one's layers were made against. */
  parent?: string;
  /** The SHA-256 of the parent's record, in hexadecimal. */
  parentSha256?: string;
  /** The snapshot that it stands in for, which could not be read whole. */
  repairs?: string;
  /** The layers of the tree, the full one first. */
  layers: LayerRecord[];
  /** Its numbers. */
  counts: SnapshotCounts;
  /** The rules by which things were left out. */
  rules?: IgnoreOptions;
  /** The purpose of a safety snapshot. */
  safety?: SafetyRecord;
}

/** The work before which a safety snapshot was taken, and which it undoes. */
export interface SafetyRecord {
  /** The work that was about to start. */
  before: "restore" | "undo" | "redo";
  /** The snapshot that was to be restored, or the safety snapshot to go by. */
  of: string;
  /** The first safety snapshot of the same work, if that was cut short. */
  continues?: string;
  /** The only folders and files that were undone or redone. Default: all. */
  paths?: string[];
}

const FORMAT = "deltar-snapshot";
/**
 * The version of records that say what version 1 cannot: that the id holds
 * another time than their own, or that only some paths were undone.
 */
const LATER = 2;
/**
 * A time and its id are told apart from this difference on, in milliseconds.
 */
const MOMENT = 1000;
/** The most layers of a tree; writers make about log2 of its entries. */
const MOST_LAYERS = 128;
/**
 * The maximum number of frames of a layer, and the bytes that allow one more.
 */
const LEAST_FRAMES = 1024;
const BYTES_EACH_FRAME = 1024;
const COUNTS = [
  "files",
  "directories",
  "links",
  "bytes",
  "created",
  "updated",
  "deleted",
  "renamed",
  "copied",
  "touched",
  "stored",
  "faults",
] as const;

/**
 * A commit record as its object's bytes.
 *
 * @throws {DeltarError} `limit` if it is larger than a reader accepts.
 */
export function encodeRecord(record: SnapshotRecord): Uint8Array {
  const { time, root, ...rest } = record;
  const header = {
    ...rest,
    time: new Date(time).toISOString(),
    root: encodeMetadata(root),
  };
  // A deltar that knows only version 1 forms the next id from `time`, which
  // would sort before this one.
  const isApart = timeInRecord(record.id, time) !== timeOfId(record.id);
  // It also takes an undo of some paths for one of all, and undoes next what
  // was restored before.
  const isPartial = record.safety?.paths !== undefined;
  const version = isApart || isPartial ? LATER : 1;
  const bytes = encodeLines(FORMAT, version, header, []);
  if (bytes.length <= MOST_RECORD) return bytes;
  throw new DeltarError(
    "limit",
    `the record has ${bytes.length} bytes, and may have ${MOST_RECORD}; use ` +
      "fewer or shorter exclude patterns",
    { object: record.id },
  );
}

/**
 * Returns the time of a snapshot as its record has it: that of its id, or, if
 * they are a second or more apart, when it was begun.
 *
 * @param id The snapshot's id.
 * @param started When it was begun, in milliseconds since 1970.
 */
export function timeInRecord(id: string, started: number): number {
  const time = timeOfId(id);
  return time !== undefined && Math.abs(time - started) < MOMENT
    ? time
    : started;
}

/**
 * Reads a commit record; nothing in it is believed.
 *
 * @param bytes The whole object.
 * @param object The object's name, for errors.
 * @throws {DeltarError} `corrupt`, `limit`, `truncated` or `unsupported`.
 */
export function decodeRecord(
  bytes: Uint8Array,
  object: string,
): SnapshotRecord {
  const { header } = decodeLines(bytes, FORMAT, LATER, object);
  const fail = (what: string) =>
    new DeltarError("corrupt", `a record with ${what}`, { object });
  const text = (value: unknown, what: string) => {
    if (typeof value !== "string") throw fail(`no valid ${what}`);
    return value;
  };
  const optional = (name: "label" | "parent" | "parentSha256" | "repairs") => {
    const value = header[name];
    if (value === undefined) return {};
    const isValid = name === "label"
      ? typeof value === "string"
      : name === "parentSha256"
      ? isSum(value)
      : isId(value);
    if (!isValid) throw fail(`no valid ${name}`);
    return { [name]: value };
  };
  const time = timeOf(header.time, object);
  if (!isCount(header.duration)) throw fail("no valid duration");
  const layers = header.layers as Line[];
  if (!Array.isArray(layers) || layers.length === 0) throw fail("no layers");
  const counts = (header.counts ?? {}) as Line;
  if (!COUNTS.every((name) => isCount(counts[name]))) throw fail("no counts");
  return {
    id: idIn(header.id, fail),
    time,
    duration: header.duration,
    directory: text(header.directory, "directory"),
    root: decodeMetadata((header.root ?? {}) as Line, object, 0),
    ...optional("label"),
    ...optional("parent"),
    ...optional("parentSha256"),
    ...optional("repairs"),
    layers: decodeLayers(layers, object),
    counts: Object.fromEntries(
      COUNTS.map((name) => [name, counts[name]]),
    ) as unknown as SnapshotCounts,
    ...decodeRules(header.rules as Line | undefined, fail),
    ...decodeSafety(header.safety as Line | undefined, fail),
  };
}

/**
 * Reads how a record names the layers of a tree.
 *
 * @throws {DeltarError} `corrupt` or `limit`.
 */
export function decodeLayers(
  layers: readonly Line[],
  object: string,
): LayerRecord[] {
  if (layers.length > MOST_LAYERS) {
    throw new DeltarError("limit", `a tree of ${layers.length} layers`, {
      object,
    });
  }
  const decoded = layers.map((layer) => decodeLayerRecord(layer, object));
  if (new Set(decoded.map(({ name }) => name)).size < decoded.length) {
    throw new DeltarError("corrupt", "a tree that has a layer twice", {
      object,
    });
  }
  return decoded;
}

function decodeLayerRecord(line: Line, object: string): LayerRecord {
  const fail = () =>
    new DeltarError("corrupt", "a layer without valid entries or frames", {
      object,
    });
  const { entries, frames, filter } = line ?? {};
  if (!isCount(entries) || !Array.isArray(frames)) throw fail();
  if (filter !== undefined && typeof filter !== "string") throw fail();
  const layer = { ...decodeObject("layer", line, object, 0), entries };
  if (frames.length > LEAST_FRAMES + layer.size / BYTES_EACH_FRAME) {
    throw new DeltarError(
      "limit",
      `a layer of ${layer.size} bytes in ${frames.length} frames`,
      { object },
    );
  }
  let size = 0;
  let last: string | undefined;
  for (const frame of frames as (Line | null)[]) {
    const { length, sha256, first } = frame ?? {};
    if (!isCount(length) || !isSum(sha256)) throw fail();
    size += length;
    if (first === undefined) continue;
    if (typeof first !== "string") throw fail();
    checkOrder(last, first, object, 0);
    last = first;
  }
  if (size !== layer.size) throw fail();
  return {
    ...layer,
    frames: (frames as LayerFrame[]).map(({ length, sha256, first }) => ({
      length,
      sha256,
      ...(first !== undefined && { first }),
    })),
    ...(filter !== undefined && { filter }),
  };
}

type Fail = (what: string) => DeltarError;

function decodeRules(
  rules: Line | undefined,
  fail: Fail,
): Pick<SnapshotRecord, "rules"> {
  if (rules === undefined) return {};
  const { excludes, ignoreFile, gitignore } = rules ?? {};
  if (
    !Array.isArray(excludes) ||
    !excludes.every((pattern) => typeof pattern === "string") ||
    ignoreFile !== false && typeof ignoreFile !== "string" ||
    typeof gitignore !== "boolean" ||
    // It becomes part of a path.
    /[/\\\0]/.test(ignoreFile || "")
  ) throw fail("no valid rules");
  return { rules: { excludes, ignoreFile, gitignore } };
}

function decodeSafety(
  safety: Line | undefined,
  fail: Fail,
): Pick<SnapshotRecord, "safety"> {
  if (safety === undefined) return {};
  const { before, of, continues, paths } = safety ?? {};
  if (
    (before !== "restore" && before !== "undo" && before !== "redo") ||
    !isId(of) || continues !== undefined && !isId(continues) ||
    paths !== undefined &&
      !(Array.isArray(paths) && paths.every((path) => typeof path === "string"))
  ) throw fail("no valid `safety`");
  return {
    safety: {
      before,
      of,
      ...(continues !== undefined && { continues }),
      ...(paths !== undefined && { paths }),
    },
  };
}

/**
 * Reads the name, size and sum of an object.
 *
 * @param kind What the object should be.
 * @throws {DeltarError} `corrupt`, with the place of the line.
 */
export function decodeObject(
  kind: PartKind,
  line: Line,
  object: string,
  offset: number,
): ObjectRecord {
  const { name, size, sha256 } = line;
  checkPart(kind, name, object, offset);
  if (!isCount(size) || !isSum(sha256)) {
    throw new DeltarError("corrupt", `${name} has no valid size or sha256`, {
      object,
      offset,
    });
  }
  return { name, size, sha256 };
}

function idIn(value: unknown, fail: Fail): string {
  if (!isId(value)) throw fail("no valid id");
  return value;
}

function isSum(value: unknown): value is string {
  return typeof value === "string" && /^[0-9a-f]{64}$/.test(value);
}

/** A record and the SHA-256 of its bytes. */
export interface ReadRecord {
  /** Its content. */
  record: SnapshotRecord;
  /** The SHA-256 of its object, in hexadecimal. */
  sha256: string;
}

/**
 * Reads the commit record of a snapshot.
 *
 * @param id The snapshot's whole id.
 * @throws {DeltarError} `not-found`, or what `decodeRecord` throws.
 */
export async function readRecord(
  storage: Storage,
  id: string,
): Promise<ReadRecord> {
  const name = recordName(id);
  const bytes = await readObject(storage, name);
  return { record: decodeRecordOf(id, bytes), sha256: toHex(sha256(bytes)) };
}

/**
 * Reads the bytes of a snapshot's commit record.
 *
 * @param id The snapshot's whole id.
 * @throws {DeltarError} `corrupt` if it is of another, or what `decodeRecord`
 * throws.
 */
export function decodeRecordOf(id: string, bytes: Uint8Array): SnapshotRecord {
  const name = recordName(id);
  if (timeOfId(id) === undefined) {
    throw new DeltarError(
      "corrupt",
      "the time in this id cannot be right, so the record is refused; " +
        `\`deltar forget ${id}\` removes it`,
      { object: name },
    );
  }
  const record = decodeRecord(bytes, name);
  if (record.id === id) return record;
  throw new DeltarError("corrupt", `it is the record of ${record.id}`, {
    object: name,
  });
}
