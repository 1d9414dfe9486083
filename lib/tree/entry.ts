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

/** One entry of a tree. */
export interface Entry extends Metadata {
  /** The path below the root, `/`-separated. */
  path: string;
  /** The kind. */
  kind: EntryKind;
  /** The length of a file in bytes; 0 for all else. */
  size: number;
  /**
   * A symlink's text, or for a hard link the path below the root of the file
   * it is another name of, which comes earlier in path order.
   */
  target?: string;
}

/** An entry as a walk finds it, with what tells whether a file was touched. */
export interface WalkedEntry extends Entry {
  /** When content or metadata last changed, in nanoseconds since 1970. */
  ctime: bigint;
  /** The file's number on its device. */
  inode: bigint;
  /** Whether it is in every way as it was when it was seen before. */
  isKnown?: true;
  /** Whether it is a file with further names. */
  isLinked?: true;
}

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
