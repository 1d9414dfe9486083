/** The kind of an entry. A hard link names an earlier file's path. */
export type EntryKind = "file" | "directory" | "symlink" | "hardlink";

/** The metadata that is kept of each entry besides its content. */
export interface Metadata {
  /** The permission bits, from 0 to 0o7777. */
  mode: number;
  /** When the content last changed, in nanoseconds since 1970. */
  mtime: bigint;
  /** The owner's number. */
  uid: number;
  /** The group's number. */
  gid: number;
}

/** The fields that entries of all kinds have. */
export interface BaseEntry extends Metadata {
  /** The path below the root, `/`-separated. */
  path: string;
  /** The length of a file in bytes; 0 for all else. */
  size: number;
}

/** A file. */
export interface FileEntry extends BaseEntry {
  /** The kind. */
  kind: "file";
  /** Absent: only links have a target. */
  target?: undefined;
}

/** An entry that is not a file, and so has no content. */
export interface ContentlessEntry extends BaseEntry {
  /** Absent: only files have content. */
  sha256?: undefined;
  /** Absent: only files have content. */
  content?: undefined;
  /** Absent: only files have content. */
  signature?: undefined;
}

/** A directory. */
export interface DirectoryEntry extends ContentlessEntry {
  /** The kind. */
  kind: "directory";
  /** Absent: only links have a target. */
  target?: undefined;
}

/** A symbolic link. */
export interface SymlinkEntry extends ContentlessEntry {
  /** The kind. */
  kind: "symlink";
  /** The text of the link. */
  target: string;
}

/** Another name of a file. */
export interface HardLinkEntry extends ContentlessEntry {
  /** The kind. */
  kind: "hardlink";
  /** The path of the file below the root. It comes earlier in path order. */
  target: string;
}

/** One entry of a tree that is not a file. */
export type NonFileEntry = DirectoryEntry | SymlinkEntry | HardLinkEntry;

/** One entry of a tree; `kind` tells which fields it has. */
export type Entry = FileEntry | NonFileEntry;

/** The state that tells whether an entry was changed since it was seen. */
export interface WalkedState {
  /** When content or metadata last changed, in nanoseconds since 1970. */
  ctime: bigint;
  /** The file's number on its device. */
  inode: bigint;
  /** Whether it is in every way as it was when it was seen before. */
  isKnown?: true;
  /** Whether it is a file with further names. */
  isLinked?: true;
}

/** An entry as a walk finds it. */
export type WalkedEntry = Entry & WalkedState;

/** A file as a walk finds it. */
export type WalkedFile = FileEntry & WalkedState;

/** Why something in a directory is in no index. */
export type SkipReason =
  | "excluded"
  | "special"
  | "unreadable"
  | "vanished"
  | "changed"
  | "name"
  | "absent"
  | "lost";

/** Something that was left out, or not read as one would wish. */
export interface Skipped {
  /** The path below the root, `/`-separated. */
  path: string;
  /**
   * Why:
   *
   * - `excluded`: a rule says so; `detail` names the rule and where it stands.
   * - `special`: a socket, pipe or device.
   * - `unreadable`: the system refused; `detail` says how.
   * - `vanished`: it was gone when it was to be read.
   * - `changed`: it changed while it was read; what was read is kept.
   * - `lost`: it was kept, and damage has taken it; a repair says so.
   * - `name`: its name is not valid Unicode, so no index can hold it.
   * - `absent`: nothing was there; only a safety snapshot says so, of what a
   *   restore creates.
   */
  reason: SkipReason;
  /** The rule, or the system's words. */
  detail?: string;
}

const NO_FAULT: ReadonlySet<SkipReason> = new Set([
  "excluded",
  "special",
  "absent",
]);

/** Whether a skip means that a file could not be kept as it was. */
export function isFault(skipped: Skipped): boolean {
  return !NO_FAULT.has(skipped.reason);
}
