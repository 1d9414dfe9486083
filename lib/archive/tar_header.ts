import { encodePax, formatTime, type PaxRecords } from "./pax.ts";
import { BLOCK, padding, type TarMember } from "./tar_member.ts";

const encoder = new TextEncoder();
const SECOND = 1_000_000_000n;
const LARGEST_SIZE = 0o77777777777;
const LARGEST_ID = 0o7777777;
const TYPES = {
  file: "0",
  hardlink: "1",
  symlink: "2",
  directory: "5",
  other: "",
};

/**
 * The header of a member as POSIX.1-1988 (ustar), preceded by a pax extended
 * header where ustar cannot say it: names that are long or not ASCII, sizes
 * from 8 GiB, times with a fraction, large owner numbers. The same member
 * gives the same bytes.
 *
 * @param member The member; `mode` is cut to its permission bits.
 * @throws {TypeError} If a name is empty or holds a NUL, a link has no target,
 * or the kind is `other`.
 * @throws {RangeError} If a size or owner is no safe, positive integer.
 */
export function encodeHeader(member: TarMember): Uint8Array {
  const type = TYPES[member.kind];
  if (!type) throw new TypeError(`a tar cannot hold kind "${member.kind}"`);
  checkNumber("size", member.size);
  checkNumber("uid", member.uid);
  checkNumber("gid", member.gid);
  if (type !== "0" && member.size > 0) {
    throw new RangeError(`only files have a size: ${member.path}`);
  }

  const pax: PaxRecords = new Map();
  const header = new Uint8Array(BLOCK);
  const path = type === "5" ? member.path + "/" : member.path;
  if (!writePath(header, path)) pax.set("path", path);
  if (type === "1" || type === "2") {
    const target = member.target ?? "";
    if (!writeName(header, 157, target)) pax.set("linkpath", target);
  }
  let seconds = member.mtime / SECOND;
  if (
    seconds * SECOND !== member.mtime || seconds < 0n || seconds > LARGEST_SIZE
  ) {
    pax.set("mtime", formatTime(member.mtime));
    if (seconds < 0n || seconds > LARGEST_SIZE) seconds = 0n;
  }
  writeOctal(header, 100, 8, member.mode & 0o7777);
  writeFitting(header, 108, 8, member.uid, LARGEST_ID, "uid", pax);
  writeFitting(header, 116, 8, member.gid, LARGEST_ID, "gid", pax);
  writeFitting(header, 124, 12, member.size, LARGEST_SIZE, "size", pax);
  writeOctal(header, 136, 12, Number(seconds));
  finish(header, type);
  return pax.size === 0 ? header : withPax(pax, header, Number(seconds));
}

function checkNumber(name: string, value: number): void {
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new RangeError(`${name} ${value} is no safe, positive integer`);
  }
}

/** Extended header, its records, and the header they are for. */
function withPax(
  pax: PaxRecords,
  header: Uint8Array,
  seconds: number,
): Uint8Array {
  const records = encodePax(pax);
  const body = BLOCK + records.length + padding(records.length);
  const whole = new Uint8Array(body + BLOCK);
  const extended = whole.subarray(0, BLOCK);
  writeName(extended, 0, "PaxHeader");
  writeOctal(extended, 100, 8, 0o644);
  writeOctal(extended, 108, 8, 0);
  writeOctal(extended, 116, 8, 0);
  writeOctal(extended, 124, 12, records.length);
  writeOctal(extended, 136, 12, seconds);
  finish(extended, "x");
  whole.set(records, BLOCK);
  whole.set(header, body);
  return whole;
}

/** Writes type, magic and, over all, the checksum. */
function finish(header: Uint8Array, type: string): void {
  header[156] = type.charCodeAt(0);
  for (let at = 0; at < 8; at++) {
    header[257 + at] = "ustar\x0000".charCodeAt(at);
  }
  header.fill(0x20, 148, 156);
  let sum = 0;
  for (let at = 0; at < BLOCK; at++) sum += header[at];
  writeOctal(header, 148, 7, sum);
}

/** A path in `name` and, if need be, `prefix`; false if it wants pax. */
function writePath(header: Uint8Array, path: string): boolean {
  if (writeName(header, 0, path)) return true;
  if (path.length > 256 || !isAscii(path)) return false;
  // The longest prefix that leaves a name, so names stay as they are.
  const slash = path.lastIndexOf("/", Math.min(155, path.length - 2));
  if (slash <= 0 || path.length - slash - 1 > 100) return false;
  header.fill(0, 0, 100);
  writeName(header, 0, path.slice(slash + 1));
  for (let at = 0; at < slash; at++) header[345 + at] = path.charCodeAt(at);
  return true;
}

/** A name in a field of 100 bytes, cut to it; false if that loses anything. */
function writeName(header: Uint8Array, at: number, name: string): boolean {
  if (name.length === 0) throw new TypeError("a name is empty");
  const fits = name.length <= 100;
  for (let index = 0; index < name.length; index++) {
    const code = name.charCodeAt(index);
    if (code === 0) throw new TypeError("a name holds a NUL");
    if (code >= 0x80) return writeUnicode(header, at, name);
    if (index < 100) header[at + index] = code;
  }
  return fits;
}

/** For readers without pax; the record has the whole name. */
function writeUnicode(header: Uint8Array, at: number, name: string): false {
  if (name.includes("\0")) throw new TypeError("a name holds a NUL");
  encoder.encodeInto(name, header.subarray(at, at + 100));
  return false;
}

function isAscii(text: string): boolean {
  for (let at = 0; at < text.length; at++) {
    if (text.charCodeAt(at) >= 0x80) return false;
  }
  return true;
}

function writeFitting(
  header: Uint8Array,
  at: number,
  length: number,
  value: number,
  largest: number,
  key: string,
  pax: PaxRecords,
): void {
  if (value > largest) pax.set(key, String(value));
  writeOctal(header, at, length, value > largest ? 0 : value);
}

/** Octal digits to the field's end but one, which is NUL. */
function writeOctal(
  header: Uint8Array,
  at: number,
  length: number,
  value: number,
): void {
  // Division, as sizes are beyond what shifts can do.
  for (let digit = at + length - 2; digit >= at; digit--) {
    header[digit] = 0x30 + value % 8;
    value = Math.floor(value / 8);
  }
  header[at + length - 1] = 0;
}
