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
import { nameOfSet } from "../../tree/directory_set.ts";
import {
  isOwnerName,
  MAX_OWNERS,
  type OwnerNames,
} from "../../tree/owner_names.ts";
import { isName, isSafePath } from "../../tree/path.ts";
import { decodeLines, encodeLines, type Line } from "../../bytes/listing.ts";
import {
  checkPart,
  isId,
  MAX_RECORD_BYTES,
  type PartKind,
  recordName,
  timeOfId,
} from "./names.ts";
import { readObject, timeOf } from "./note.ts";
import { isRepositoryId } from "./settings.ts";
import { signerOf } from "./signed_listing.ts";
import { decodeTurn, type TurnRecord } from "./turn_record.ts";

/** A reference to a stored object, in a record or a layer. */
export interface ObjectRecord {
  /** The object's name. */
  name: string;
  /** The size of the object in bytes. */
  size: number;
  /** The SHA-256 of the object, in hexadecimal. */
  sha256: string;
}

/**
 * A frame of a layer: successive lines of the layer that are compressed
 * together and can be decompressed without the other lines.
 */
export interface LayerFrame {
  /**
   * The compressed length in bytes. The first frame begins at the start of the
   * object, and each further frame begins where the previous one ends.
   */
  length: number;
  /** The SHA-256 of the compressed frame, in hexadecimal. */
  sha256: string;
  /**
   * A string that sorts after all paths of earlier frames, and is equal to the
   * first path of this frame or sorts before it. Absent if the frame has no
   * paths.
   */
  first?: string;
}

/** The description of a layer of a snapshot's tree, in the commit record. */
export interface LayerRecord extends ObjectRecord {
  /** The number of entries and tombstones. */
  entries: number;
  /** The frames of the layer. */
  frames: LayerFrame[];
  /**
   * A Bloom filter of the paths, in base64. Full layers and large layers have
   * no filter.
   */
  filter?: string;
  /** Whether the layer has entries of named pipes or devices. */
  special?: true;
  /** Whether the layer has sparse files, which older readers do not support. */
  sparse?: true;
  /**
   * Whether the layer has paths or link targets that are not valid UTF-8, which
   * older readers do not support.
   */
  raw?: true;
}

/** The numbers of entries, changes and bytes of a snapshot. */
export interface SnapshotCounts {
  /**
   * The number of files in the tree. A file with several hard links is counted
   * once.
   */
  files: number;
  /** The number of directories in the tree. */
  directories: number;
  /**
   * The number of symlinks and hard links in the tree. The first name of a file
   * with hard links is not counted.
   */
  links: number;
  /**
   * The number of named pipes and devices in the tree. Absent if there are
   * none.
   */
  special?: number;
  /** The total length of all files, in bytes. */
  bytes: number;
  /**
   * The number of new files, links, named pipes and devices, except renamed and
   * copied files.
   */
  created: number;
  /**
   * The number of paths with a changed kind, content, link target or device
   * number.
   */
  updated: number;
  /**
   * The number of deleted files, links, named pipes and devices, except renamed
   * files and skipped paths.
   */
  deleted: number;
  /** The number of renamed files. */
  renamed: number;
  /** The number of new files with the content of a file that still exists. */
  copied: number;
  /**
   * The number of entries with unchanged content, but with a changed mode,
   * time or owner, or with changed extended attributes or hard links. The
   * backed-up directory is also counted if its mode, owner or extended
   * attributes changed.
   */
  touched: number;
  /**
   * The number of bytes that the snapshot added to the repository, not counting
   * the commit record.
   */
  stored: number;
  /**
   * The number of paths that belong to the tree but could not be stored
   * correctly.
   */
  faults: number;
}

/** The machine that took a snapshot. */
export interface MachineRecord {
  /**
   * The id of the machine, which stays the same if its name changes: 1 to 64
   * ASCII letters, digits, `.`, `_` and `-`.
   */
  id: string;
  /** The host name. */
  host?: string;
  /** The name of the user who took the snapshot. */
  user?: string;
}

/**
 * The signer of a record or of a note about a snapshot, and the machine that
 * took the snapshot.
 */
export interface Signed {
  /**
   * The public key of the signer. The SSH signature has been checked. Absent if
   * the record or note is not signed.
   */
  signer?: string;
  /** The machine that took the snapshot. */
  machine?: MachineRecord;
}

/**
 * The commit record of one snapshot. The snapshot exists only if its record
 * exists.
 */
export interface SnapshotRecord {
  /** The id of the snapshot. It sorts after the id of the parent. */
  id: string;
  /**
   * The start time of the snapshot by the clock of its machine, in milliseconds
   * since 1970. The time in the id is later if the id would otherwise sort
   * before the id of the parent.
   */
  time: number;
  /** The time from the start to the end of the snapshot, in milliseconds. */
  duration: number;
  /**
   * The path of the directory on the machine that took the snapshot. If the
   * snapshot has several directories, this is the path of the folder that
   * contains them, followed in braces by the paths of the directories relative
   * to this folder: `/work/{a,b}`.
   */
  directory: string;
  /**
   * The path of the folder that contains the directories, if the snapshot has
   * several. The paths of the directories, relative to this folder, are
   * `rules.paths`.
   */
  common?: string;
  /** The machine that took the snapshot. Absent if the machine has no id. */
  machine?: MachineRecord;
  /**
   * The public key of the record's signer (`ssh-ed25519 AAAA…`). The SSH
   * signature of the record is valid, but the signer is not necessarily
   * trusted; see `Repository.trustOf`. Absent if the record is not signed.
   */
  signer?: string;
  /**
   * The id of the repository for which the record was signed. Absent from
   * records that are not signed, and from records that earlier versions of
   * deltar wrote.
   */
  repository?: string;
  /** The mode, time and owner of the backed-up directory. */
  root: Metadata;
  /**
   * The names of the owners and groups of the directory and its entries, by
   * user or group number. Names that the system did not know when the snapshot
   * was taken are absent.
   */
  owners?: OwnerNames;
  /** The label of the snapshot. */
  label?: string;
  /** The turn of an AI agent during which the snapshot was taken. */
  turn?: TurnRecord;
  /**
   * The id of the parent. This snapshot records the changes to the parent's
   * tree.
   */
  parent?: string;
  /** The SHA-256 of the parent's record, in hexadecimal. */
  parentSha256?: string;
  /**
   * The id of the previous snapshot of the directory, if that snapshot could
   * not be the parent because its tree was damaged.
   */
  follows?: string;
  /**
   * The id of the snapshot that this one replaces, because that snapshot was
   * damaged or was rewritten by a purge. If several purges replaced a snapshot
   * one after the other, this is the id of the original snapshot.
   */
  repairs?: string;
  /** The purges that rewrote the snapshot. Absent if there were none. */
  purged?: PurgedRecord;
  /** The layers of the tree, starting with the full layer. */
  layers: LayerRecord[];
  /** The numbers of entries, changes and bytes of the snapshot. */
  counts: SnapshotCounts;
  /** The rules by which paths were excluded. */
  rules?: IgnoreOptions;
  /** The purpose of the snapshot. Absent if it is not a safety snapshot. */
  safety?: SafetyRecord;
}

/** The purges that replaced a snapshot with a rewritten one. */
export interface PurgedRecord {
  /** The time of the last purge, in milliseconds since 1970. */
  time: number;
  /**
   * The files and folders that the purges deleted from the snapshot. Paths
   * beyond a total length of 65,536 UTF-16 code units are omitted. Empty if no
   * paths were deleted. In that case, the snapshot was rewritten because some
   * of its contents depended on deleted contents, or because its layers still
   * had lines for deleted paths that the snapshot itself did not have.
   */
  paths: string[];
}

/** The purpose of a safety snapshot: the operation that it can undo. */
export interface SafetyRecord {
  /** The operation that was about to start. */
  before: "restore" | "undo" | "redo";
  /**
   * The id of the snapshot that was about to be restored. For an undo or redo,
   * this is a safety snapshot.
   */
  of: string;
  /**
   * The id of the first safety snapshot of the same restore, undo or redo, if
   * the operation was interrupted and started again.
   */
  continues?: string;
  /**
   * The folders and files to which the undo or redo is limited. Absent if the
   * undo or redo applies to all paths.
   */
  paths?: string[];
}

/**
 * The rules that older versions of deltar do not support. A record with one of
 * these rules has the field `selection` instead of `rules`. Older versions can
 * restore such a snapshot, but refuse to delete paths that are not in it,
 * because the rules may have excluded these paths.
 */
const LATER_RULES = [
  "iexcludes",
  "excludeLargerThan",
  "excludeCaches",
  "excludeIfPresent",
  "oneFileSystem",
  "paths",
] as const;

function hasLaterRules(rules: IgnoreOptions): boolean {
  return LATER_RULES.some((name) => rules[name] !== undefined);
}

const FORMAT = "deltar-snapshot";
/**
 * The version of records that a reader of version 1 would misinterpret:
 *
 * - records whose `time` differs from the time in their id;
 * - records of safety snapshots for an undo or redo of only some paths;
 * - records that name a machine.
 */
const LATER_VERSION = 2;
/**
 * The version of records of trees with named pipes, devices, sparse files, or
 * names or link targets that are not valid UTF-8. A reader of version 2 does
 * not support these entries. It would restore the condensed form of a sparse
 * file as its content, and write U+FFFD in place of invalid bytes of a name.
 */
const LATER_ENTRIES_VERSION = 3;
/**
 * The minimum difference between the time of a record and the time in its id,
 * in milliseconds. If the start of the snapshot differs less from the time in
 * the id, the record has the time in the id.
 */
const MIN_DIFFERENCE_MS = 1000;
/**
 * The maximum number of layers of a tree. Writers make at most about log2(n)
 * layers for a tree of n entries.
 */
const MAX_LAYERS = 128;
/**
 * The number of frames that a layer may have regardless of its size. A layer
 * may have one more frame for each `BYTES_PER_FRAME` bytes.
 */
const MIN_FRAMES = 1024;
const BYTES_PER_FRAME = 1024;
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
 * Encodes a commit record.
 *
 * @throws {DeltarError} `limit` if the record is larger than readers accept.
 */
export function encodeRecord(record: SnapshotRecord): Uint8Array {
  const { time, root, rules, purged, signer: _, ...rest } = record;
  const header = {
    ...rest,
    ...purged !== undefined && {
      purged: { ...purged, time: new Date(purged.time).toISOString() },
    },
    ...rules !== undefined &&
      { [hasLaterRules(rules) ? "selection" : "rules"]: rules },
    time: new Date(time).toISOString(),
    root: encodeMetadata(root),
  };
  // A reader of version 1 derives the next id from `time`. If `time` differs
  // from the time in this id, the next id could sort before this one.
  const hasOtherTime = timeInRecord(record.id, time) !== timeOfId(record.id);
  // A reader of version 1 also assumes that an undo applied to all paths. Its
  // next undo would therefore undo an earlier restore, although some paths of
  // the last restore have not been undone.
  const isPartial = record.safety?.paths !== undefined;
  // A reader of version 1 would also use a snapshot of another machine as the
  // parent, and its prune would apply the rules to the snapshots of all
  // machines together.
  const version = record.layers.some(needsLater)
    ? LATER_ENTRIES_VERSION
    : hasOtherTime || isPartial || record.machine
    ? LATER_VERSION
    : 1;
  const bytes = encodeLines(FORMAT, version, header, []);
  if (bytes.length <= MAX_RECORD_BYTES) return bytes;
  throw new DeltarError(
    "limit",
    `record too large: ${bytes.length} bytes, at most ${MAX_RECORD_BYTES}; ` +
      "use fewer or shorter exclude patterns",
    { object: record.id },
  );
}

/** Returns whether a layer has entries that older readers do not support. */
function needsLater({ special, sparse, raw }: LayerRecord): boolean {
  return special === true || sparse === true || raw === true;
}

/**
 * Returns the time for the record of a snapshot: `started` if it differs by a
 * second or more from the time in the id, and otherwise the time in the id.
 *
 * @param id The snapshot's id.
 * @param started The start of the snapshot, in milliseconds since 1970.
 */
export function timeInRecord(id: string, started: number): number {
  const time = timeOfId(id);
  return time !== undefined && Math.abs(time - started) < MIN_DIFFERENCE_MS
    ? time
    : started;
}

/**
 * Reads a commit record and validates its fields.
 *
 * @param bytes The bytes of the record.
 * @param object The name of the object, for error messages.
 * @throws {DeltarError} `corrupt` or `truncated` if the record is damaged,
 * `limit` if it has too many layers or frames, `unsupported` if its version is
 * too new.
 */
export function decodeRecord(
  bytes: Uint8Array,
  object: string,
): SnapshotRecord {
  const { header } = decodeLines(bytes, FORMAT, LATER_ENTRIES_VERSION, object);
  const fail = (what: string) => new DeltarError("corrupt", what, { object });
  const text = (value: unknown, what: string) => {
    if (typeof value !== "string") throw fail(`missing or invalid \`${what}\``);
    return value;
  };
  const optional = (
    name: "label" | "parent" | "parentSha256" | "follows" | "repairs",
  ) => {
    const value = header[name];
    if (value === undefined) return {};
    const isValid = name === "label"
      ? typeof value === "string"
      : name === "parentSha256"
      ? isSum(value)
      : isId(value);
    if (!isValid) throw fail(`invalid \`${name}\``);
    return { [name]: value };
  };
  const time = timeOf(header.time, object);
  if (!isCount(header.duration)) throw fail("missing or invalid `duration`");
  const layers = header.layers as Line[];
  if (!Array.isArray(layers) || layers.length === 0) {
    throw fail("missing or empty `layers`");
  }
  const counts = (header.counts ?? {}) as Line;
  const { special } = counts;
  if (
    !COUNTS.every((name) => isCount(counts[name])) ||
    special !== undefined && !isCount(special)
  ) throw fail("missing or invalid `counts`");
  return {
    id: idIn(header.id, fail),
    time,
    duration: header.duration,
    directory: text(header.directory, "directory"),
    ...decodeCommon(header, fail),
    ...decodeMachine(header.machine as Line | undefined, fail),
    ...decodeRepository(header.repository, fail),
    root: decodeMetadata((header.root ?? {}) as Line, object, 0),
    ...decodeOwners(header.owners as Line | undefined, fail),
    ...optional("label"),
    ...decodeTurn(header.turn, fail),
    ...optional("parent"),
    ...optional("parentSha256"),
    ...optional("follows"),
    ...optional("repairs"),
    layers: decodeLayers(layers, object),
    counts: Object.fromEntries([
      ...COUNTS.map((name) => [name, counts[name]]),
      ...special === undefined ? [] : [["special", special]],
    ]) as SnapshotCounts,
    ...decodeRules(
      (header.selection ?? header.rules) as Line | undefined,
      fail,
    ),
    ...decodeSafety(header.safety as Line | undefined, fail),
    ...decodePurged(header.purged as Line | undefined, object, fail),
  };
}

/**
 * Reads the layers of a tree from a record or an intent.
 *
 * @param layers The field `layers` of the record or intent.
 * @param object The name of the record or intent, for error messages.
 * @throws {DeltarError} `corrupt` if a layer is invalid, `limit` if there are
 * too many layers or frames.
 */
export function decodeLayers(
  layers: readonly Line[],
  object: string,
): LayerRecord[] {
  if (layers.length > MAX_LAYERS) {
    throw new DeltarError(
      "limit",
      `too many layers: ${layers.length}, at most ${MAX_LAYERS}`,
      {
        object,
      },
    );
  }
  const decoded = layers.map((layer) => decodeLayerRecord(layer, object));
  if (new Set(decoded.map(({ name }) => name)).size < decoded.length) {
    throw new DeltarError(
      "corrupt",
      "two layers of the tree have the same name",
      {
        object,
      },
    );
  }
  return decoded;
}

function decodeLayerRecord(line: Line, object: string): LayerRecord {
  const fail = () =>
    new DeltarError(
      "corrupt",
      "invalid `entries`, `frames`, `filter`, `sparse` or `raw` of a layer",
      {
        object,
      },
    );
  const { entries, frames, filter, special, sparse, raw } = line ?? {};
  if (!isCount(entries) || !Array.isArray(frames)) throw fail();
  if (filter !== undefined && typeof filter !== "string") throw fail();
  if (sparse !== undefined && sparse !== true) throw fail();
  if (raw !== undefined && raw !== true) throw fail();
  const layer = { ...decodeObject("layer", line, object, 0), entries };
  if (frames.length > MIN_FRAMES + layer.size / BYTES_PER_FRAME) {
    throw new DeltarError(
      "limit",
      `too many frames in a layer of ${layer.size} bytes: ${frames.length}, ` +
        `at most ${Math.floor(MIN_FRAMES + layer.size / BYTES_PER_FRAME)}`,
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
    ...(special === true && { special }),
    ...(sparse && { sparse }),
    ...(raw && { raw }),
  };
}

type Fail = (what: string) => DeltarError;

function decodeRules(
  rules: Line | undefined,
  fail: Fail,
): Pick<SnapshotRecord, "rules"> {
  if (rules === undefined) return {};
  const { excludes, ignoreFile, gitignore } = rules ?? {};
  const isList = (value: unknown) =>
    value === undefined ||
    Array.isArray(value) && value.every((one) => typeof one === "string");
  const isSwitch = (value: unknown) => value === undefined || value === true;
  const { iexcludes, excludeLargerThan, excludeIfPresent } = rules ?? {};
  const { excludeCaches, oneFileSystem, paths } = rules ?? {};
  if (
    !isList(iexcludes) || !isList(excludeIfPresent) ||
    !((excludeIfPresent ?? []) as unknown[]).every(isName) ||
    !isList(paths) || !((paths ?? []) as string[]).every(isSafePath) ||
    excludeLargerThan !== undefined && !isCount(excludeLargerThan) ||
    !isSwitch(excludeCaches) || !isSwitch(oneFileSystem)
  ) throw fail("invalid `selection`");
  if (
    !Array.isArray(excludes) ||
    !excludes.every((pattern) => typeof pattern === "string") ||
    ignoreFile !== false && typeof ignoreFile !== "string" ||
    typeof gitignore !== "boolean" ||
    // The name of the ignore file becomes part of paths, so it must not contain
    // separators or NUL.
    /[/\\\0]/.test(ignoreFile || "")
  ) throw fail("invalid `rules`");
  const known = { excludes, ignoreFile, gitignore };
  const later = LATER_RULES.flatMap((name) =>
    rules[name] === undefined ? [] : [[name, rules[name]]]
  );
  return { rules: { ...known, ...Object.fromEntries(later) } };
}

function decodeOwners(
  owners: Line | undefined,
  fail: Fail,
): Pick<SnapshotRecord, "owners"> {
  if (owners === undefined) return {};
  const table = (value: unknown): Record<string, string> => {
    const names = Object.entries((value ?? {}) as Line);
    const isValid = names.length <= MAX_OWNERS &&
      names.every(([id, name]) => /^\d{1,10}$/.test(id) && isOwnerName(name));
    if (!isValid) throw fail("invalid `owners`");
    return Object.fromEntries(names) as Record<string, string>;
  };
  const { users, groups } = owners ?? {};
  return { owners: { users: table(users), groups: table(groups) } };
}

/**
 * Reads the path of the folder that contains the directories of a snapshot, and
 * checks that the path matches the field `directory`, because a restore to the
 * original directories writes into this folder.
 */
function decodeCommon(
  { common, directory, selection }: Line,
  fail: Fail,
): Pick<SnapshotRecord, "common"> {
  if (common === undefined) return {};
  const { paths } = (selection ?? {}) as Line;
  if (
    typeof common !== "string" || !Array.isArray(paths) ||
    !paths.every((path) => typeof path === "string") ||
    nameOfSet({ common, paths }) !== directory
  ) throw fail("invalid `common`");
  return { common };
}

function decodeMachine(
  machine: Line | undefined,
  fail: Fail,
): Pick<SnapshotRecord, "machine"> {
  if (machine === undefined) return {};
  const { id, host, user } = machine ?? {};
  const isName = (value: unknown) =>
    value === undefined || typeof value === "string";
  if (!isMachineId(id) || !isName(host) || !isName(user)) {
    throw fail("invalid `machine`");
  }
  return {
    machine: {
      id,
      ...(host !== undefined && { host: host as string }),
      ...(user !== undefined && { user: user as string }),
    },
  };
}

function decodeRepository(
  repository: unknown,
  fail: Fail,
): Pick<SnapshotRecord, "repository"> {
  if (repository === undefined) return {};
  if (isRepositoryId(repository)) return { repository };
  throw fail("invalid `repository`");
}

/**
 * Returns whether a value can be the id of a machine: 1 to 64 ASCII letters,
 * digits, `.`, `_` and `-`.
 */
export function isMachineId(value: unknown): value is string {
  return typeof value === "string" && /^[\w.-]{1,64}$/.test(value);
}

/**
 * Returns whether a snapshot belongs to the given directory and machine. A
 * snapshot without a machine belongs to every machine.
 *
 * @param record The snapshot.
 * @param directory The path of the directory.
 * @param machine The id of the machine; `undefined` for any machine.
 */
export function isOf(
  record: SnapshotRecord,
  directory: string,
  machine: string | undefined,
): boolean {
  return record.directory === directory && isOfMachine(record, machine);
}

/**
 * Returns whether the given machine took a snapshot. Also returns `true` if the
 * snapshot does not record its machine.
 *
 * @param record The snapshot.
 * @param machine The id of the machine; `undefined` for any machine.
 */
export function isOfMachine(
  record: SnapshotRecord,
  machine: string | undefined,
): boolean {
  return machine === undefined || record.machine === undefined ||
    record.machine.id === machine;
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
  ) throw fail("invalid `safety`");
  return {
    safety: {
      before,
      of,
      ...(continues !== undefined && { continues }),
      ...(paths !== undefined && { paths }),
    },
  };
}

function decodePurged(
  purged: Line | undefined,
  object: string,
  fail: Fail,
): Pick<SnapshotRecord, "purged"> {
  if (purged === undefined) return {};
  const { time, paths } = purged ?? {};
  if (
    !Array.isArray(paths) || !paths.every((path) => typeof path === "string")
  ) throw fail("invalid `purged`");
  return { purged: { time: timeOf(time, object), paths } };
}

/**
 * Reads the name, size and SHA-256 of an object.
 *
 * @param kind The expected kind of the object.
 * @param line The line with the fields.
 * @param object The name of the object that contains the line, for error
 * messages.
 * @param offset The offset of the line in that object, in bytes, for error
 * messages.
 * @throws {DeltarError} `corrupt`, with the offset of the line, if a field is
 * missing or invalid.
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
    throw new DeltarError(
      "corrupt",
      `missing or invalid \`size\` or \`sha256\` of ${name}`,
      {
        object,
        offset,
      },
    );
  }
  return { name, size, sha256 };
}

function idIn(value: unknown, fail: Fail): string {
  if (!isId(value)) throw fail("missing or invalid `id`");
  return value;
}

function isSum(value: unknown): value is string {
  return typeof value === "string" && /^[0-9a-f]{64}$/.test(value);
}

/** A record and the SHA-256 of its object. */
export interface ReadRecord {
  /** The decoded record. */
  record: SnapshotRecord;
  /** The SHA-256 of the record's object, in hexadecimal. */
  sha256: string;
}

/**
 * Reads the commit record of a snapshot.
 *
 * @param storage The repository's storage.
 * @param id The whole id of the snapshot.
 * @throws {DeltarError} `not-found` if there is no such record; `corrupt` if
 * its SSH signature is not valid; also the errors of `decodeRecordOf`.
 */
export async function readRecord(
  storage: Storage,
  id: string,
): Promise<ReadRecord> {
  return await decodeSigned(id, await readObject(storage, recordName(id)));
}

/**
 * Decodes the commit record of a snapshot and checks its SSH signature. The
 * caller must decide whether the signer is trusted.
 *
 * @param id The whole id of the snapshot.
 * @param bytes The bytes of the record.
 * @throws {DeltarError} `corrupt` if the SSH signature is not valid; also
 * the errors of `decodeRecordOf`.
 */
export async function decodeSigned(
  id: string,
  bytes: Uint8Array,
): Promise<ReadRecord> {
  const record = decodeRecordOf(id, bytes);
  const signer = await signerOf(bytes, recordName(id));
  if (signer !== undefined) record.signer = signer;
  return { record, sha256: toHex(sha256(bytes)) };
}

/**
 * Decodes the commit record of a snapshot.
 *
 * @param id The whole id of the snapshot.
 * @param bytes The bytes of the record.
 * @throws {DeltarError} `corrupt` if the record names another snapshot or the
 * time in the id is not plausible; also the errors of `decodeRecord`.
 */
export function decodeRecordOf(id: string, bytes: Uint8Array): SnapshotRecord {
  const name = recordName(id);
  if (timeOfId(id) === undefined) {
    throw new DeltarError(
      "corrupt",
      "the time in the snapshot's id is not plausible; remove the snapshot " +
        `with \`deltar forget ${id}\``,
      { object: name },
    );
  }
  const record = decodeRecord(bytes, name);
  if (record.id === id) return record;
  throw new DeltarError(
    "corrupt",
    `the record names another snapshot: ${record.id}`,
    {
      object: name,
    },
  );
}
