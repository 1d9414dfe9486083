import { encodeName } from "../tree/raw_name.ts";
import { hasXattrs } from "../tree/xattrs.ts";
import { DEVICE, encodePax, formatTime, type PaxRecords } from "./pax.ts";
import { addXattrs } from "./pax_xattrs.ts";
import { BLOCK, padding, type TarMember } from "./tar_member.ts";

const encoder = new TextEncoder();
const MAGIC = encoder.encode("ustar\x0000");
const SECOND_NS = 1_000_000_000n;
const MAX_OCTAL_SIZE = 0o77777777777;
const MAX_OCTAL_ID = 0o7777777;
const TYPES = {
  file: "0",
  hardlink: "1",
  symlink: "2",
  character: "3",
  block: "4",
  directory: "5",
  fifo: "6",
  other: "",
};

/**
 * The total size, in bytes, of a pax header with one short record and the ustar
 * header that follows it.
 */
const SCRATCH_BYTES = 3 * BLOCK;

/**
 * Returns scratch memory for `encodeHeader`, for a caller that encodes many
 * headers and copies each one before it encodes the next.
 */
export function headerScratch(): Uint8Array {
  return new Uint8Array(SCRATCH_BYTES);
}

/**
 * Encodes the header of a member as POSIX.1-1988 (ustar). A pax extended header
 * precedes the ustar header for values that ustar cannot hold:
 *
 * - names that are long or not ASCII
 * - sizes of 8 GiB or more
 * - times with a fraction of a second or outside the years 1970 to 2242
 * - owner, group or device numbers of 2^21 or more
 * - extended attributes and ACLs
 * - the size of a sparse file in condensed form (GNU tar's PAX format 1.0)
 *
 * The names of the owner and group are written if the member has them. A path
 * or link target that is not valid UTF-8 is written as bytes, with
 * `hdrcharset=BINARY`. The same member always results in the same bytes.
 *
 * @param member The member. Only the permission bits of `mode` are used.
 * @param scratch The memory that `headerScratch` returned. The headers are
 *   written to this memory if they fit. Default: new memory.
 * @returns The bytes of all headers of the member. They can be in `scratch`.
 * @throws {TypeError} If a path or link target is empty, a name contains a NUL,
 *   or the kind is `other`.
 * @throws {RangeError} If the size, or an owner, group or device number, is not
 *   an integer from 0 to 2^53 - 1, or if a member other than a file has a size
 *   other than 0.
 */
export function encodeHeader(
  member: TarMember,
  scratch: Uint8Array = headerScratch(),
): Uint8Array {
  const type = TYPES[member.kind];
  if (!type) {
    throw new TypeError(`a tar cannot hold a member of kind "${member.kind}"`);
  }
  checkNumber("size", member.size);
  checkNumber("uid", member.uid);
  checkNumber("gid", member.gid);
  if (type !== "0" && member.size > 0) {
    throw new RangeError(
      `${member.path}: the size of a ${member.kind} must be 0: ${member.size}`,
    );
  }

  let pax: PaxRecords | undefined;
  const record = (key: string, value: string) => {
    (pax ??= new Map()).set(key, value);
  };
  if (member.fileSize !== undefined) {
    record("GNU.sparse.major", "1");
    record("GNU.sparse.minor", "0");
    record("GNU.sparse.realsize", String(member.fileSize));
  }
  const header = scratch.subarray(2 * BLOCK).fill(0);
  const path = type === "5" ? member.path + "/" : member.path;
  const recordName = (key: string, name: string) => {
    // Without this record, bsdtar reads the names as UTF-8.
    if (!name.isWellFormed()) record("hdrcharset", "BINARY");
    record(key, name);
  };
  if (!writePath(header, path)) recordName("path", path);
  if (type === "1" || type === "2") {
    const target = member.target ?? "";
    if (!writeName(header, 157, target)) recordName("linkpath", target);
  }
  // Seconds and nanoseconds are plain numbers, because a bigint is slow and
  // this function runs for every file.
  let seconds = Number(member.mtime / SECOND_NS);
  const nanos = Number(member.mtime % SECOND_NS);
  const fits = seconds >= 0 && nanos >= 0 && seconds <= MAX_OCTAL_SIZE;
  if (!fits) {
    record("mtime", formatTime(member.mtime));
    seconds = 0;
  }
  writeOctal(header, 100, 8, member.mode & 0o7777);
  writeFitting(header, 108, 8, member.uid, MAX_OCTAL_ID, "uid", record);
  writeFitting(header, 116, 8, member.gid, MAX_OCTAL_ID, "gid", record);
  writeFitting(header, 124, 12, member.size, MAX_OCTAL_SIZE, "size", record);
  writeOctal(header, 136, 12, seconds);
  if (member.kind === "block" || member.kind === "character") {
    const { major, minor } = member.device;
    checkNumber("device.major", major);
    checkNumber("device.minor", minor);
    writeFitting(header, 329, 8, major, MAX_OCTAL_ID, DEVICE.major, record);
    writeFitting(header, 337, 8, minor, MAX_OCTAL_ID, DEVICE.minor, record);
  }
  const { uname = "", gname = "" } = member;
  if (!writeOwner(header, 265, uname)) record("uname", uname);
  if (!writeOwner(header, 297, gname)) record("gname", gname);
  if (member.xattrs !== undefined && hasXattrs(member.xattrs)) {
    addXattrs(member.xattrs, pax ??= new Map());
  }
  finish(header, type);

  if (pax === undefined && nanos === 0) return header;
  if (pax === undefined) {
    const body = scratch.subarray(BLOCK, 2 * BLOCK).fill(0);
    const length = writeTimeRecord(body, seconds, nanos);
    writeExtended(scratch.subarray(0, BLOCK), length, seconds);
    return scratch;
  }
  if (fits && nanos > 0) record("mtime", formatTime(member.mtime));
  return withPax(pax, header, seconds);
}

function checkNumber(name: string, value: number): void {
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new RangeError(
      `${name} is not an integer from 0 to ${Number.MAX_SAFE_INTEGER}: ${value}`,
    );
  }
}

/**
 * Returns the bytes of an extended header and its records, followed by the
 * header that the records apply to.
 */
function withPax(
  pax: PaxRecords,
  header: Uint8Array,
  seconds: number,
): Uint8Array {
  const records = encodePax(pax);
  const body = BLOCK + records.length + padding(records.length);
  const whole = new Uint8Array(body + BLOCK);
  writeExtended(whole.subarray(0, BLOCK), records.length, seconds);
  whole.set(records, BLOCK);
  whole.set(header, body);
  return whole;
}

/** The template of an extended header, without its size and time. */
const EXTENDED = new Uint8Array(BLOCK);
writeName(EXTENDED, 0, "PaxHeader");
writeOctal(EXTENDED, 100, 8, 0o644);
writeOctal(EXTENDED, 108, 8, 0);
writeOctal(EXTENDED, 116, 8, 0);

function writeExtended(
  block: Uint8Array,
  length: number,
  seconds: number,
): void {
  block.set(EXTENDED);
  writeOctal(block, 124, 12, length);
  writeOctal(block, 136, 12, seconds);
  finish(block, "x");
}

const TIME_KEY = encoder.encode(" mtime=");

/**
 * Writes a record such as `30 mtime=1700000000.123456789\n`, without trailing
 * zeros in the fraction. Most files need only this record, so the record is
 * made without strings, which is faster.
 *
 * @returns The length of the record in bytes.
 */
function writeTimeRecord(
  body: Uint8Array,
  seconds: number,
  nanos: number,
): number {
  let digits = 1;
  for (let rest = seconds; rest >= 10; rest = Math.floor(rest / 10)) digits++;
  let decimals = 9;
  for (; nanos % 10 === 0; nanos /= 10) decimals--;
  // The length field has two digits, because the rest of the record has 11 to
  // 28 bytes.
  const length = 2 + TIME_KEY.length + digits + 1 + decimals + 1;
  writeDecimal(body, 0, 2, length);
  body.set(TIME_KEY, 2);
  const at = 2 + TIME_KEY.length;
  writeDecimal(body, at, digits, seconds);
  body[at + digits] = 0x2e;
  writeDecimal(body, at + digits + 1, decimals, nanos);
  body[length - 1] = 0x0a;
  return length;
}

function writeDecimal(
  bytes: Uint8Array,
  at: number,
  length: number,
  value: number,
): void {
  for (let digit = at + length - 1; digit >= at; digit--) {
    bytes[digit] = 0x30 + value % 10;
    value = Math.floor(value / 10);
  }
}

/** Writes the type, the magic number and, last, the checksum. */
function finish(header: Uint8Array, type: string): void {
  header[156] = type.charCodeAt(0);
  header.set(MAGIC, 257);
  let sum = 8 * 0x20;
  for (let at = 0; at < 345; at++) sum += header[at];
  for (let at = 345; header[at] !== 0; at++) sum += header[at];
  header[155] = 0x20;
  writeOctal(header, 148, 7, sum);
}

/**
 * Writes a path to the field `name` and, if necessary, the field `prefix`.
 * Returns whether the path fits without a pax header.
 */
function writePath(header: Uint8Array, path: string): boolean {
  if (writeName(header, 0, path)) return true;
  if (path.length > 256 || !isAscii(path)) return false;
  // The path is split at the last slash that is possible, so that the name is
  // as short as possible. The name must fit in its field, and must not be
  // empty.
  const slash = path.lastIndexOf("/", Math.min(155, path.length - 2));
  if (slash <= 0 || path.length - slash - 1 > 100) return false;
  header.fill(0, 0, 100);
  writeName(header, 0, path.slice(slash + 1));
  for (let at = 0; at < slash; at++) header[345 + at] = path.charCodeAt(at);
  return true;
}

/**
 * Writes a name to a field of 100 bytes. Returns `false` if the name also needs
 * a pax record, because it is longer than 100 bytes or not ASCII.
 */
function writeName(header: Uint8Array, at: number, name: string): boolean {
  if (name.length === 0) {
    throw new TypeError("the name or link target of a tar member is empty");
  }
  const fits = name.length <= 100;
  for (let index = 0; index < name.length; index++) {
    const code = name.charCodeAt(index);
    if (code === 0) {
      throw new TypeError(
        "the name or link target of a tar member contains a NUL",
      );
    }
    if (code >= 0x80) return writeUnicode(header, at, name);
    if (index < 100) header[at + index] = code;
  }
  return fits;
}

/**
 * Writes a name that is not ASCII, cut to 100 bytes, for readers that ignore
 * pax headers. Returns `false`, because such a name also needs a pax record.
 */
function writeUnicode(header: Uint8Array, at: number, name: string): false {
  if (name.includes("\0")) {
    throw new TypeError(
      "the name or link target of a tar member contains a NUL",
    );
  }
  const field = header.subarray(at, at + 100);
  if (name.isWellFormed()) encoder.encodeInto(name, field);
  else field.set(encodeName(name).subarray(0, field.length));
  return false;
}

/**
 * Writes the name of an owner or group to a field of 32 bytes, with a NUL at
 * the end. Writes nothing and returns `false` if the name needs a pax record,
 * because it is longer than 31 bytes or not ASCII.
 */
function writeOwner(header: Uint8Array, at: number, name: string): boolean {
  if (name.includes("\0")) {
    throw new TypeError(
      "the owner or group name of a tar member contains a NUL",
    );
  }
  if (name.length > 31 || !isAscii(name)) return false;
  for (let index = 0; index < name.length; index++) {
    header[at + index] = name.charCodeAt(index);
  }
  return true;
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
  record: (key: string, value: string) => void,
): void {
  if (value > largest) record(key, String(value));
  writeOctal(header, at, length, value > largest ? 0 : value);
}

/** Writes a number to a field as octal digits, with a NUL in the last byte. */
function writeOctal(
  header: Uint8Array,
  at: number,
  length: number,
  value: number,
): void {
  // The value is divided instead of shifted, because shifts are limited to 32
  // bits.
  for (let digit = at + length - 2; digit >= at; digit--) {
    header[digit] = 0x30 + value % 8;
    value = Math.floor(value / 8);
  }
  header[at + length - 1] = 0;
}
