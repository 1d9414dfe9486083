import type { Metadata } from "./entry.ts";
import { type FileStat, type Identity, kindOf, knownTime } from "./statx.ts";
import { NO_XATTRS } from "./xattrs.ts";

/** The flags of an entry. */
export const ENTRY_FLAG = {
  /**
   * The flag of an entry that was skipped or excluded, because of a rule, its
   * path or its kind.
   */
  skipped: 1 << 16,
  /**
   * The flag of an entry that the next walk must read again, because the state
   * of the entry is not known or can stay the same when the entry changes.
   */
  doubtful: 1 << 17,
  /**
   * The flag of a folder whose content was excluded, because another file
   * system is mounted on the folder.
   */
  mounted: 1 << 18,
  /** The flag of an entry that was found to have no extended attributes. */
  plain: 1 << 19,
} as const;

/** The flags of a folder. */
export const FOLDER_FLAG = {
  /**
   * The flag of a folder whose block has the SHA-256 of the exclude rules.
   * These folders are the root, folders with ignore files or tags such as
   * `CACHEDIR.TAG`, and folders in which a walk visited only picked paths.
   */
  ruled: 1,
  /** The flag of a folder that the system refused to list. */
  unreadable: 2,
} as const;

/**
 * The offsets of the values at the start of a folder's block, in 32-bit words.
 * The first entry begins at offset `length`. See `TreeState`.
 */
export const HEAD = {
  count: 0,
  words: 1,
  flags: 2,
  rules: 3,
  length: 11,
} as const;

/**
 * The offsets of the values of an entry, in 32-bit words. At offset `name` is
 * the length of the name in bytes. The name itself begins at offset `length`.
 */
export const ENTRY = {
  mode: 0,
  uid: 1,
  gid: 2,
  size: 3,
  mtime: 5,
  ctime: 8,
  inode: 11,
  links: 13,
  device: 14,
  btime: 16,
  name: 19,
  length: 20,
} as const;

/** The minimum number of words of an entry. A name takes at least one word. */
export const MIN_ENTRY_WORDS = ENTRY.length + 1;

/**
 * The maximum length of a name, in bytes. It is larger than the limit of any
 * system.
 */
export const MAX_NAME_BYTES: number = 1 << 16;

/** The bits of `st_mode` that contain the type. */
export const TYPE_MASK = 0o170000;
/** The type bits in the `st_mode` of a file. */
export const FILE_TYPE = 0o100000;
/** The type bits in the `st_mode` of a directory. */
export const DIRECTORY_TYPE = 0o040000;

/** Returns the number of 32-bit words for a name of `length` bytes. */
export function nameWords(length: number): number {
  return length + 3 >> 2;
}

/**
 * Returns a view of an array of bytes as 32-bit words. Bytes at the end that do
 * not fill a word are left out. The offset of the array in its buffer must be a
 * multiple of four.
 */
export function wordsOf(bytes: Uint8Array): Uint32Array {
  return new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2);
}

/**
 * Returns a range of bytes as a text with one character for each byte.
 *
 * @param bytes The array that contains the range.
 * @param start The offset of the first byte.
 * @param end The offset after the last byte.
 */
export function latin1(bytes: Uint8Array, start: number, end: number): string {
  let text = "";
  for (let at = start; at < end; at++) text += String.fromCharCode(bytes[at]);
  return text;
}

/** The state of an entry. As in `struct stat`, the mode includes the type. */
export interface EntryState {
  /** The `st_mode`: the type and the permissions. */
  mode: number;
  /** The user ID of the owner. */
  uid: number;
  /** The group ID. */
  gid: number;
  /** The length in bytes; it has no meaning for a directory. */
  size: number;
  /** The modification time, in nanoseconds since 1970. */
  mtime: bigint;
  /** The change time, in nanoseconds since 1970. */
  ctime: bigint;
  /** The creation time, in nanoseconds since 1970, if it is known. */
  btime: bigint | undefined;
  /** The number of the inode on its device. */
  inode: bigint;
  /** The ID of the device that contains the entry. */
  device: bigint;
  /** The number of names (hard links) of the entry. */
  links: number;
}

/** Returns the state of the entry at word `at`. */
export function readState(words: Uint32Array, at: number): EntryState {
  return {
    mode: words[at + ENTRY.mode] & 0xffff,
    uid: words[at + ENTRY.uid],
    gid: words[at + ENTRY.gid],
    size: readSize(words, at),
    mtime: readTime(words, at + ENTRY.mtime),
    ctime: readTime(words, at + ENTRY.ctime),
    btime: knownTime(readTime(words, at + ENTRY.btime)),
    inode: readLong(words, at + ENTRY.inode),
    device: readLong(words, at + ENTRY.device),
    links: words[at + ENTRY.links],
  };
}

/** Returns the device and inode of the entry at word `at`. */
export function readIdentity(words: Uint32Array, at: number): Identity {
  return {
    inode: readLong(words, at + ENTRY.inode),
    device: readLong(words, at + ENTRY.device),
  };
}

/**
 * Returns the part of an entry's state that an index records. The entry begins
 * at word `at`.
 */
export function readBasics(
  words: Uint32Array,
  at: number,
): Metadata & Pick<FileStat, "kind" | "size"> {
  const mode = words[at + ENTRY.mode];
  return {
    kind: kindOf(mode),
    size: readSize(words, at),
    mode: mode & 0o7777,
    mtime: readTime(words, at + ENTRY.mtime),
    uid: words[at + ENTRY.uid],
    gid: words[at + ENTRY.gid],
    btime: knownTime(readTime(words, at + ENTRY.btime)),
    xattrs: mode & ENTRY_FLAG.plain ? NO_XATTRS : undefined,
  };
}

const TWO_32 = 2 ** 32;
const SECOND_NS = 1_000_000_000n;

/** Returns the size of the entry at word `at`, in bytes. */
export function readSize(words: Uint32Array, at: number): number {
  return words[at + ENTRY.size] + words[at + ENTRY.size + 1] * TWO_32;
}

/** Returns the time at word `at`, in nanoseconds since 1970. */
export function readTime(words: Uint32Array, at: number): bigint {
  const seconds = words[at] + (words[at + 1] | 0) * TWO_32;
  return BigInt(seconds) * SECOND_NS + BigInt(words[at + 2]);
}

function readLong(words: Uint32Array, at: number): bigint {
  return BigInt(words[at + 1]) << 32n | BigInt(words[at]);
}
