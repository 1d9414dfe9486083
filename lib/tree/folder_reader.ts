import type * as NodeFs from "node:fs";
import { fs } from "../bytes/node.ts";
import { AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS } from "./native.ts";
import { loadLibrary } from "./native_library.ts";

/**
 * The 32-bit words of Linux's `struct statx` (`statx(2)`) that are used; a
 * number of 64 bits has its lower half first. Its layout is one for all
 * machines, and where the system has no such call it is filled in.
 */
export const STATX = {
  links: 4,
  uid: 5,
  gid: 6,
  mode: 7,
  inode: 8,
  size: 10,
  ctime: 24,
  mtime: 28,
  device: 34,
} as const;

/**
 * Told of each entry of a folder, in the system's order. All it is given holds
 * until it returns.
 *
 * @param bytes Where the name lies, in UTF-8 if it is that.
 * @param start The name's first byte.
 * @param end The byte after its last.
 * @param stat Its `struct statx`, see {@linkcode STATX}; `undefined` if it
 * vanished or the system refuses to tell.
 * @returns Whether to go on.
 */
export type FolderVisitor = (
  bytes: Uint8Array,
  start: number,
  end: number,
  stat: Uint32Array | undefined,
) => boolean;

const O_DIRECTORY_CLOEXEC = (fs?.constants.O_DIRECTORY ?? 0) | 0x80000;
const AT_FDCWD = -100;
/** Where `getdents64(2)` has an entry's length, and its name. */
const LENGTH = 16;
const NAME = 19;
const DOT = 46;

const statBytes = new Uint8Array(256);
const stat = new Uint32Array(statBytes.buffer);
const listing = new Uint8Array(1 << 16);
const path = new Uint8Array(4097);
const encoder = new TextEncoder();
const decoder = new TextDecoder();
const halves = new DataView(new ArrayBuffer(8));

const load = () =>
  loadLibrary({
    openat: ["i32", "buffer", "i32"],
    getdents64: ["i32", "buffer", "u64"],
    statx: ["i32", "buffer", "i32", "u32", "buffer"],
    close: ["i32"],
  });
let calls: ReturnType<typeof load>;
let isLoaded = false;

/**
 * Reads a folder: its names, and the state of what each of them is, no symlink
 * followed. On Linux in Deno and Bun this costs little more than the system
 * calls themselves; elsewhere `node:fs` is asked.
 *
 * @param place A path of the operating system.
 * @param visit Told of each entry; must not read a folder itself.
 * @returns Whether `visit` let it come to its end.
 * @throws The error of `node:fs`, with its `code`.
 */
export function readFolder(place: string, visit: FolderVisitor): boolean {
  if (!isLoaded) {
    calls = load();
    isLoaded = true;
  }
  const { read, written } = encoder.encodeInto(place, path);
  if (calls === undefined || read < place.length || written === path.length) {
    return readWithNode(place, visit);
  }
  path[written] = 0;
  const fd = calls.openat(AT_FDCWD, path, O_DIRECTORY_CLOEXEC);
  // Which knows the error, too.
  if (fd < 0) return readWithNode(place, visit);
  try {
    for (;;) {
      const length = calls.getdents64(fd, listing, listing.length);
      if (length === 0) return true;
      if (length < 0) {
        const message = `${place}: its names cannot be read to the end`;
        throw Object.assign(new Error(message), { code: "EIO" });
      }
      if (!visitListing(fd, length, place, visit)) return false;
    }
  } finally {
    calls.close(fd);
  }
}

function visitListing(
  fd: number,
  length: number,
  place: string,
  visit: FolderVisitor,
): boolean {
  for (let at = 0; at < length;) {
    const start = at + NAME;
    at += listing[at + LENGTH] | listing[at + LENGTH + 1] << 8;
    if (isDots(start)) continue;
    const isKnown = calls!.statx(
      fd,
      listing.subarray(start, at),
      AT_SYMLINK_NOFOLLOW,
      STATX_BASIC_STATS,
      statBytes,
    ) === 0;
    const end = listing.indexOf(0, start);
    const name = () => decoder.decode(listing.subarray(start, end));
    const found = isKnown ? stat : statWithNode(`${place}/${name()}`);
    if (!visit(listing, start, end, found)) return false;
  }
  return true;
}

/** Whether a name is `.` or `..`. */
function isDots(start: number): boolean {
  if (listing[start] !== DOT) return false;
  if (listing[start + 1] === 0) return true;
  return listing[start + 1] === DOT && listing[start + 2] === 0;
}

function readWithNode(place: string, visit: FolderVisitor): boolean {
  const folder = place.endsWith("/") ? place : `${place}/`;
  for (const name of fs.readdirSync(place)) {
    const { written: end } = encoder.encodeInto(name, listing);
    if (!visit(listing, 0, end, statWithNode(folder + name))) return false;
  }
  return true;
}

function statWithNode(place: string): Uint32Array | undefined {
  let from: NodeFs.BigIntStats;
  try {
    from = fs.lstatSync(place, { bigint: true });
  } catch {
    return undefined;
  }
  stat[STATX.links] = Number(from.nlink);
  stat[STATX.uid] = Number(from.uid);
  stat[STATX.gid] = Number(from.gid);
  stat[STATX.mode] = Number(from.mode);
  fillLong(STATX.inode, from.ino);
  fillLong(STATX.size, from.size);
  fillLong(STATX.device, from.dev);
  fillTime(STATX.ctime, from.ctimeNs);
  fillTime(STATX.mtime, from.mtimeNs);
  return stat;
}

function fillTime(at: number, time: bigint): void {
  const rest = time % NANO;
  // Also before 1970 the nanoseconds count forwards.
  const nanos = rest < 0n ? rest + NANO : rest;
  fillLong(at, (time - nanos) / NANO);
  stat[at + 2] = Number(nanos);
}

const NANO = 1_000_000_000n;

function fillLong(at: number, value: bigint): void {
  halves.setBigInt64(0, value, true);
  stat[at] = halves.getUint32(0, true);
  stat[at + 1] = halves.getUint32(4, true);
}
