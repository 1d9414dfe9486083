import type { Xattrs } from "./xattrs.ts";

/**
 * The kind of an entry. A hard link is another name for the file, named pipe or
 * device of an earlier entry. A `fifo` is a named pipe. `block` and `character`
 * are devices.
 */
export type EntryKind =
  | "file"
  | "directory"
  | "symlink"
  | "hardlink"
  | SpecialKind;

/** The kind of an entry that is a named pipe or a device. */
export type SpecialKind = "fifo" | "block" | "character";

/** The mode, times, owner and extended attributes of an entry. */
export interface Metadata {
  /** The permission bits, from 0 to 0o7777. */
  mode: number;
  /** The time of the last change of the content, in nanoseconds since 1970. */
  mtime: bigint;
  /** The user ID of the owner. */
  uid: number;
  /** The group ID. */
  gid: number;
  /**
   * The creation time, in nanoseconds since 1970. Absent if it was not read or
   * the file system does not record it. Creation times are never compared.
   */
  btime?: bigint;
  /**
   * The extended attributes and ACLs. Absent if they were not read. Also absent
   * for a hard link, which has the attributes of its target.
   */
  xattrs?: Xattrs;
}

/** The number of a device. The system uses this number to find the driver. */
export interface DeviceNumber {
  /** The number of the driver. */
  major: number;
  /** The number of the device among the devices of the driver. */
  minor: number;
}

/** The fields of entries of every kind. */
export interface BaseEntry extends Metadata {
  /** The path below the root, `/`-separated. */
  path: string;
  /** The length of a file in bytes; 0 for other kinds. */
  size: number;
}

/** The entry of a file. */
export interface FileEntry extends BaseEntry {
  /** The kind of the entry. */
  kind: "file";
  /** Always absent, because only links have a target. */
  target?: undefined;
}

/** An entry without content, such as a directory or a link. */
export interface ContentlessEntry extends BaseEntry {
  /** Always absent, because only files have content. */
  sha256?: undefined;
  /** Always absent, because only files have content. */
  sparse?: undefined;
  /** Always absent, because only files have content. */
  content?: undefined;
  /** Always absent, because only files have content. */
  signature?: undefined;
}

/** The entry of a directory. */
export interface DirectoryEntry extends ContentlessEntry {
  /** The kind of the entry. */
  kind: "directory";
  /** Always absent, because only links have a target. */
  target?: undefined;
}

/** The entry of a symlink. */
export interface SymlinkEntry extends ContentlessEntry {
  /** The kind of the entry. */
  kind: "symlink";
  /**
   * The path that the link contains. It can be absolute or lead out of the
   * root.
   */
  target: string;
}

/** The entry of a hard link: another name for a file, named pipe or device. */
export interface HardLinkEntry extends ContentlessEntry {
  /** The kind of the entry. */
  kind: "hardlink";
  /**
   * The path, below the root, of the first name for the file, pipe or device.
   * It sorts before the path of the link.
   */
  target: string;
}

/** The entry of a named pipe. */
export interface FifoEntry extends ContentlessEntry {
  /** The kind of the entry. */
  kind: "fifo";
  /** Always absent, because only links have a target. */
  target?: undefined;
}

/** The entry of a device. */
export interface DeviceEntry extends ContentlessEntry {
  /** The kind of the entry. */
  kind: "block" | "character";
  /** The number of the device. */
  device: DeviceNumber;
  /** Always absent, because only links have a target. */
  target?: undefined;
}

/**
 * The entry of a named pipe or a device. The pipe or device is never opened.
 */
export type SpecialEntry = FifoEntry | DeviceEntry;

/** The entry of a directory, symlink, hard link, named pipe or device. */
export type NonFileEntry =
  | DirectoryEntry
  | SymlinkEntry
  | HardLinkEntry
  | SpecialEntry;

/** An entry of a tree. Its fields depend on `kind`. */
export type Entry = FileEntry | NonFileEntry;

/**
 * Returns whether an entry is a named pipe or a device.
 *
 * @param entry The entry.
 *
 * @example
 * ```ts
 * import { isSpecial } from "@deltar/deltar/tree";
 * import assert from "node:assert/strict";
 *
 * const state = { mode: 0o644, mtime: 0n, uid: 0, gid: 0, size: 0 };
 * assert.equal(isSpecial({ path: "pipe", kind: "fifo", ...state }), true);
 * assert.equal(isSpecial({ path: "docs", kind: "directory", ...state }), false);
 * ```
 */
export function isSpecial(entry: Entry): entry is SpecialEntry {
  return isSpecialKind(entry.kind);
}

/** Returns whether a kind stands for a named pipe or a device. */
export function isSpecialKind(kind: string): kind is SpecialKind {
  return kind === "fifo" || kind === "block" || kind === "character";
}

/**
 * Returns whether deltar stores further names of an entry of this kind as hard
 * links. Returns `true` for files, named pipes and devices.
 */
export function canHaveLinks(kind: string): kind is "file" | SpecialKind {
  return kind === "file" || isSpecialKind(kind);
}

/**
 * Returns the name of a kind for messages, such as `named pipe` for `fifo`.
 *
 * @param kind The kind of an entry.
 *
 * @example
 * ```ts
 * import { nameOfKind } from "@deltar/deltar/tree";
 * import assert from "node:assert/strict";
 *
 * assert.equal(nameOfKind("block"), "block device");
 * ```
 */
export function nameOfKind(kind: string): string {
  return NAMES[kind] ?? kind;
}

const NAMES: Record<string, string> = {
  hardlink: "hard link",
  fifo: "named pipe",
  block: "block device",
  character: "character device",
  special: "socket",
};

/** The fields that a walk adds to an entry. */
export interface WalkedState {
  /**
   * The time of the last change of content or metadata, in nanoseconds since
   * 1970.
   */
  ctime: bigint;
  /** The inode number. */
  inode: bigint;
  /**
   * Whether the entry is known to be unchanged since the previous walk. Absent
   * otherwise.
   */
  isKnown?: true;
  /**
   * Whether the entry is one of several names of a file, named pipe or device.
   * Absent otherwise.
   */
  isLinked?: true;
}

/** An entry as a walk finds it. */
export type WalkedEntry = Entry & WalkedState;

/** A file as a walk finds it. */
export type WalkedFile = FileEntry & WalkedState;

// Some reasons for skipping or excluding a path depend on facts other than the
// path and the kind of the entry. `unchanged_folders.ts` must compare these
// facts, as it compares the size with a size limit, or the walk must flag the
// entry as doubtful. Otherwise, a snapshot would not notice that such a reason
// no longer applies.
/**
 * The reason why a path is skipped or excluded; see {@linkcode Skipped.reason}.
 */
export type SkipReason =
  | "excluded"
  | "special"
  | "unreadable"
  | "placeholder"
  | "vanished"
  | "changed"
  | "name"
  | "absent"
  | "lost";

/**
 * A path that is not stored, or whose stored state can be incomplete or
 * inconsistent, with the reason.
 */
export interface Skipped {
  /**
   * The path below the root, `/`-separated. A path of more than 16,383
   * characters is cut to this length.
   */
  path: string;
  /**
   * The reason:
   *
   * - `excluded`: a rule excludes the path, deltar writes to the path, or the
   *   path is a temporary file of deltar; `detail` names the rule, with its
   *   file and line if it is from a file.
   * - `special`: the path is a socket or an entry of an unknown kind.
   * - `unreadable`: the path could not be read; `detail` has the cause, such as
   *   the system's message, a path that is too long, a hard link to a file that
   *   could not be read, or exclude rules that could not be used.
   * - `placeholder`: the path is a file whose content is only in the cloud.
   *   Reading it would download the content.
   * - `vanished`: the path was deleted before or while it was read, was created
   *   while its folder was listed, or does not exist although it is one of the
   *   `paths` that the walk is limited to.
   * - `changed`: the path changed or was replaced before it was read
   *   completely, or its extended attributes could not be read; deltar stores
   *   the parts of the entry that it could read.
   * - `lost`: the content of the path was damaged in the repository, or purged
   *   from it; only a repair or a purge uses this reason.
   * - `name`: the name is not valid Unicode or is reserved for deltar, so an
   *   index cannot contain it.
   * - `absent`: the path did not exist; only a safety snapshot uses this
   *   reason, for paths that the restore creates.
   */
  reason: SkipReason;
  /** The rule, the system's message or another explanation. */
  detail?: string;
}

const NO_FAULT: ReadonlySet<SkipReason> = new Set([
  "excluded",
  "special",
  "absent",
]);

/**
 * Returns whether a path belongs to the tree but could not be stored correctly.
 * Excluded, special and absent paths do not count.
 *
 * @param skipped The path and the reason.
 *
 * @example
 * ```ts
 * import { isFault } from "@deltar/deltar/tree";
 * import assert from "node:assert/strict";
 *
 * assert.equal(isFault({ path: "socket", reason: "special" }), false);
 * assert.equal(isFault({ path: "secret", reason: "unreadable" }), true);
 * ```
 */
export function isFault(skipped: Skipped): boolean {
  return !NO_FAULT.has(skipped.reason);
}
