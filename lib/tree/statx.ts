import type { DeviceNumber, Entry, EntryKind } from "./entry.ts";
import { PLATFORM } from "./this_system.ts";

/**
 * The state of a file, folder or other entry. For a symlink, it is the state of
 * the symlink itself.
 */
export interface FileStat {
  /**
   * The kind. `fifo` is a named pipe, `block` and `character` are devices, and
   * `special` is a socket or an unknown kind.
   */
  kind:
    | "file"
    | "directory"
    | "symlink"
    | "fifo"
    | "block"
    | "character"
    | "special";
  /** The permission bits. */
  mode: number;
  /** The modification time, in nanoseconds since 1970. */
  mtime: bigint;
  /** The change time, in nanoseconds since 1970. */
  ctime: bigint;
  /**
   * The creation time, in nanoseconds since 1970. Absent if the system or the
   * file system does not record it.
   */
  btime?: bigint;
  /** The length in bytes. */
  size: number;
  /**
   * The space that the file takes on the disk, in bytes. On Windows, where this
   * space is not known, the value is the length, rounded up to 512 bytes.
   */
  allocated: number;
  /** The user ID of the owner. */
  uid: number;
  /** The group ID. */
  gid: number;
  /** The number of the inode on its device. */
  inode: bigint;
  /** The ID of the device that contains the file. */
  device: bigint;
  /** The number of names (hard links) of the file. */
  links: number;
  /** The number of a block or character device. Absent for other kinds. */
  rdev?: DeviceNumber;
}

/** The fields of `BigIntStats` of `node:fs` that are used. */
export interface NodeStat {
  /** The ID of the device that contains the entry. */
  dev: bigint;
  /**
   * The device number of an entry that is itself a device, with the major and
   * minor number in one value.
   */
  rdev: bigint;
  /** The number of the inode on its device. */
  ino: bigint;
  /** The kind and the permission bits. */
  mode: bigint;
  /** The number of names (hard links). */
  nlink: bigint;
  /** The user ID of the owner. */
  uid: bigint;
  /** The group ID. */
  gid: bigint;
  /** The length in bytes. */
  size: bigint;
  /** The space on the disk, in blocks of 512 bytes. */
  blocks: bigint;
  /** The modification time, in nanoseconds since 1970. */
  mtimeNs: bigint;
  /** The change time, in nanoseconds since 1970. */
  ctimeNs: bigint;
  /** The creation time, in nanoseconds since 1970, if it is known. */
  birthtimeNs?: bigint;
}

/**
 * The offsets, in 32-bit words, of the fields of Linux's `struct statx` that
 * are used. The lower half of a 64-bit number comes first. The offsets are the
 * same on all processors. Where the system call `statx(2)` is not available,
 * {@linkcode fillStatx} fills in the struct.
 */
export const STATX = {
  links: 4,
  uid: 5,
  gid: 6,
  mode: 7,
  inode: 8,
  size: 10,
  btime: 20,
  ctime: 24,
  mtime: 28,
  device: 34,
} as const;

/** Returns the size, in bytes, from the words of a `struct statx`. */
export function sizeIn(words: Uint32Array): number {
  return words[STATX.size] + words[STATX.size + 1] * 2 ** 32;
}

/** Returns the ID of the device from the words of a `struct statx`. */
export function deviceIn(words: Uint32Array): bigint {
  return BigInt(words[STATX.device + 1]) << 32n | BigInt(words[STATX.device]);
}

/**
 * The device and inode of a file or folder, which identify it on the machine.
 */
export type Identity = Pick<FileStat, "device" | "inode">;

/** The length of a `struct statx` in bytes. */
export const STATX_BYTES = 256;

const SECOND_NS = 1_000_000_000n;
/** The size in bytes of the blocks in which the space of a file is counted. */
const SECTOR_BYTES = 512;

/** Returns the state in a `struct statx`. */
export function readStatx(view: DataView): FileStat {
  const mode = view.getUint16(28, true);
  const stat: FileStat = {
    kind: kindOf(mode),
    mode: mode & 0o7777,
    mtime: readTime(view, 112),
    ctime: readTime(view, 96),
    size: Number(view.getBigUint64(40, true)),
    allocated: Number(view.getBigUint64(48, true)) * SECTOR_BYTES,
    uid: view.getUint32(20, true),
    gid: view.getUint32(24, true),
    inode: view.getBigUint64(32, true),
    device: view.getBigUint64(136, true),
    links: view.getUint32(16, true),
  };
  const btime = knownTime(readTime(view, 80));
  if (btime !== undefined) stat.btime = btime;
  if (isDevice(stat.kind)) {
    stat.rdev = {
      major: view.getUint32(128, true),
      minor: view.getUint32(132, true),
    };
  }
  return stat;
}

/** Returns the device and inode in a `struct statx`. */
export function readStatxIdentity(view: DataView): Identity {
  return {
    inode: view.getBigUint64(32, true),
    device: view.getBigUint64(136, true),
  };
}

function readTime(view: DataView, at: number): bigint {
  return view.getBigInt64(at, true) * SECOND_NS +
    BigInt(view.getUint32(at + 8, true));
}

/**
 * Fills in a `struct statx` from a state that `node:fs` returned.
 *
 * @param view The struct, of `STATX_BYTES` bytes.
 * @param stat The state.
 */
export function fillStatx(view: DataView, stat: NodeStat): void {
  view.setUint32(16, Number(stat.nlink), true);
  view.setUint32(20, Number(stat.uid), true);
  view.setUint32(24, Number(stat.gid), true);
  view.setUint32(28, shownMode(Number(stat.mode), PLATFORM), true);
  view.setBigUint64(32, stat.ino, true);
  view.setBigUint64(40, stat.size, true);
  view.setBigUint64(48, BigInt(allocatedBy(stat) / SECTOR_BYTES), true);
  view.setBigUint64(136, stat.dev, true);
  fillTime(view, 80, knownTime(stat.birthtimeNs) ?? 0n);
  fillTime(view, 96, stat.ctimeNs);
  fillTime(view, 112, stat.mtimeNs);
}

/**
 * Returns a `struct statx`, as 32-bit words, for an entry that was not read
 * from a disk. It has the entry's type, mode, owner, size and modification
 * time, and a link count of 1. All other fields are zero.
 */
export function entryStatx(entry: Entry): Uint32Array {
  const words = new Uint32Array(STATX_BYTES / 4);
  const { seconds, nanos } = splitTime(entry.mtime);
  words[STATX.links] = 1;
  words[STATX.uid] = entry.uid;
  words[STATX.gid] = entry.gid;
  words[STATX.mode] = TYPES[entry.kind] | entry.mode;
  words[STATX.size] = entry.size;
  words[STATX.size + 1] = Math.floor(entry.size / 2 ** 32);
  words[STATX.mtime] = Number(BigInt.asUintN(32, seconds));
  words[STATX.mtime + 1] = Number(BigInt.asUintN(32, seconds >> 32n));
  words[STATX.mtime + 2] = Number(nanos);
  return words;
}

/** The type bits in the `st_mode` of each kind of entry. */
const TYPES: Readonly<Record<EntryKind, number>> = {
  file: 0o100000,
  hardlink: 0o100000,
  directory: 0o040000,
  symlink: 0o120000,
  fifo: 0o010000,
  block: 0o060000,
  character: 0o020000,
};

/**
 * Returns the given creation time, or `undefined` if it is one of the values
 * that represent an unknown time: 0 on Linux and Windows, and one second before
 * 1970 on BSD systems.
 */
export function knownTime(btime: bigint | undefined): bigint | undefined {
  return btime === 0n || btime === -SECOND_NS ? undefined : btime;
}

/** Returns the space that a file takes on the disk, in bytes. */
function allocatedBy({ size, blocks }: NodeStat): number {
  return PLATFORM === "win32"
    ? Math.ceil(Number(size) / SECTOR_BYTES) * SECTOR_BYTES
    : Number(blocks) * SECTOR_BYTES;
}

function fillTime(view: DataView, at: number, time: bigint): void {
  const { seconds, nanos } = splitTime(time);
  view.setBigInt64(at, seconds, true);
  view.setUint32(at + 8, Number(nanos), true);
}

/**
 * Splits a time in nanoseconds into the two fields of a `struct timespec`. The
 * nanoseconds are never negative.
 */
export function splitTime(time: bigint): { seconds: bigint; nanos: bigint } {
  const rest = time % SECOND_NS;
  const nanos = rest < 0n ? rest + SECOND_NS : rest;
  return { seconds: (time - nanos) / SECOND_NS, nanos };
}

/** Converts a state from `node:fs` to a `FileStat`. */
export function fromNodeStat(stat: NodeStat): FileStat {
  const mode = shownMode(Number(stat.mode), PLATFORM);
  const found: FileStat = {
    kind: kindOf(mode),
    mode: mode & 0o7777,
    mtime: stat.mtimeNs,
    ctime: stat.ctimeNs,
    size: Number(stat.size),
    allocated: allocatedBy(stat),
    uid: Number(stat.uid),
    gid: Number(stat.gid),
    inode: stat.ino,
    device: stat.dev,
    links: Number(stat.nlink),
  };
  const btime = knownTime(stat.birthtimeNs);
  if (btime !== undefined) found.btime = btime;
  if (isDevice(found.kind)) found.rdev = splitDevice(stat.rdev, PLATFORM);
  return found;
}

/**
 * Splits a device number, as the system stores it in `st_rdev`, into its major
 * and minor number.
 *
 * @param rdev The device number.
 * @param platform The system, as `process.platform` names it.
 */
export function splitDevice(rdev: bigint, platform: string): DeviceNumber {
  if (platform === "darwin") {
    return {
      major: Number(rdev >> 24n & 0xffn),
      minor: Number(rdev & 0xffffffn),
    };
  }
  // The results are the same as those of `gnu_dev_major` and `gnu_dev_minor` in
  // the GNU C library.
  return {
    major: Number(rdev >> 8n & 0xfffn | rdev >> 32n & 0xfffff000n),
    minor: Number(rdev & 0xffn | rdev >> 12n & 0xffffff00n),
  };
}

/**
 * Returns the `st_mode` that deltar uses in place of the mode that a runtime
 * returns. The two modes can differ only on Windows, where the system stores
 * whether a file is read-only, and the runtime makes up the rest of the mode.
 * The runtime returns 0666 even for folders. On other systems, a folder with
 * this mode could not be entered.
 *
 * @param mode The mode that the runtime returns.
 * @param platform The system, as `process.platform` names it.
 */
export function shownMode(mode: number, platform: string): number {
  if (platform !== "win32") return mode;
  switch (kindOf(mode)) {
    case "directory":
      return 0o040755;
    case "file":
      return 0o100000 | ((mode & 0o200) === 0 ? 0o444 : 0o644);
    default:
      return mode;
  }
}

/**
 * Converts a time in nanoseconds since 1970 to seconds, as a number or text
 * that `node:fs` accepts.
 */
export function toNodeTime(mtime: bigint): number | string {
  const seconds = Number(mtime / SECOND_NS) + Number(mtime % SECOND_NS) / 1e9;
  // Node replaces a negative number with the current time, but accepts the
  // number as a string.
  return seconds < 0 ? String(seconds) : seconds;
}

/** Returns the kind of entry that an `st_mode` describes. */
export function kindOf(mode: number): FileStat["kind"] {
  switch (mode & 0o170000) {
    case 0o100000:
      return "file";
    case 0o040000:
      return "directory";
    case 0o120000:
      return "symlink";
    case 0o010000:
      return "fifo";
    case 0o060000:
      return "block";
    case 0o020000:
      return "character";
    default:
      return "special";
  }
}

function isDevice(kind: FileStat["kind"]): boolean {
  return kind === "block" || kind === "character";
}
