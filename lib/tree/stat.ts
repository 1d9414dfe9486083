import type * as NodeFs from "node:fs";
import { fs } from "../bytes/node.ts";
import { loadNative, type Native } from "./native.ts";

/** What the system knows of a file, a link not followed. */
export interface FileStat {
  /** What it is; `special` is a socket, pipe or device. */
  kind: "file" | "directory" | "symlink" | "special";
  /** Permission bits. */
  mode: number;
  /** Modification time, in nanoseconds since 1970. */
  mtime: bigint;
  /** Change time, in nanoseconds since 1970. */
  ctime: bigint;
  /** Length in bytes. */
  size: number;
  /** The owner's number. */
  uid: number;
  /** The group's number. */
  gid: number;
  /** The number of the file on its device. */
  inode: bigint;
  /** The device it lies on. */
  device: bigint;
  /** How many names it has. */
  links: number;
}

let native: Native | undefined;
let isLoaded = false;
const encoder = new TextEncoder();
const pathBuffer = new Uint8Array(4097);
const statBuffer = new Uint8Array(256);
const view = new DataView(statBuffer.buffer);

/**
 * The state of what a path names, without following a symlink.
 *
 * @param path A path of the operating system.
 * @throws The error of `node:fs`, with its `code`.
 */
export function lstat(path: string): FileStat {
  const calls = nativeCalls();
  if (calls && encodePath(path) && calls.statx(pathBuffer, statBuffer)) {
    return readStatx();
  }
  return fromNode(fs.lstatSync(path, { bigint: true }));
}

/**
 * Sets access and modification time of what a path names, without following a
 * symlink: to the nanosecond in Deno and Bun on Linux, elsewhere to what a
 * double holds (240 ns).
 *
 * @param path A path of the operating system.
 * @param mtime The time, in nanoseconds since 1970.
 */
export function setTimes(path: string, mtime: bigint): void {
  const calls = nativeCalls();
  if (calls !== undefined && encodePath(path)) {
    let seconds = mtime / NANO;
    let rest = mtime % NANO;
    if (rest < 0n) {
      seconds -= 1n;
      rest += NANO;
    }
    const times = new BigInt64Array([seconds, rest, seconds, rest]);
    if (calls.utimensat(pathBuffer, times)) return;
  }
  const seconds = Number(mtime / NANO) + Number(mtime % NANO) / 1e9;
  // Node takes a negative number for the time of the call, a text as it is.
  const time = seconds < 0 ? String(seconds) : seconds;
  fs.lutimesSync(path, time, time);
}

const NANO = 1_000_000_000n;

/** Loaded when they are first needed: many a command does without. */
function nativeCalls(): Native | undefined {
  if (!isLoaded) {
    native = loadNative();
    isLoaded = true;
  }
  return native;
}

/** Puts the path and a NUL into the buffer; whether it has room. */
function encodePath(path: string): boolean {
  const { read, written } = encoder.encodeInto(path, pathBuffer);
  if (read < path.length || written === pathBuffer.length) return false;
  pathBuffer[written] = 0;
  return !path.includes("\0");
}

/** `struct statx` of Linux's `statx(2)`; its layout is one for all machines. */
function readStatx(): FileStat {
  const mode = view.getUint16(28, true);
  return {
    kind: kindOf(mode),
    mode: mode & 0o7777,
    mtime: readTime(112),
    ctime: readTime(96),
    size: Number(view.getBigUint64(40, true)),
    uid: view.getUint32(20, true),
    gid: view.getUint32(24, true),
    inode: view.getBigUint64(32, true),
    device: view.getBigUint64(136, true),
    links: view.getUint32(16, true),
  };
}

function readTime(at: number): bigint {
  return view.getBigInt64(at, true) * NANO +
    BigInt(view.getUint32(at + 8, true));
}

function fromNode(stat: NodeFs.BigIntStats): FileStat {
  const mode = Number(stat.mode);
  return {
    kind: kindOf(mode),
    mode: mode & 0o7777,
    mtime: stat.mtimeNs,
    ctime: stat.ctimeNs,
    size: Number(stat.size),
    uid: Number(stat.uid),
    gid: Number(stat.gid),
    inode: stat.ino,
    device: stat.dev,
    links: Number(stat.nlink),
  };
}

/** What a `st_mode` says that something is. */
export function kindOf(mode: number): FileStat["kind"] {
  switch (mode & 0o170000) {
    case 0o100000:
      return "file";
    case 0o040000:
      return "directory";
    case 0o120000:
      return "symlink";
    default:
      return "special";
  }
}
