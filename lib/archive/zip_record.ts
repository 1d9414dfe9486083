/**
 * The records of a zip (PKWARE's APPNOTE.TXT, version 6.3.10), with the extra
 * fields of Info-ZIP for times (`UT`) and owners (`ux`).
 *
 * @module
 */
import { concat } from "../bytes/source.ts";
import { encodeName } from "../tree/raw_name.ts";
import { nameOfKind } from "../tree/entry.ts";
import { ownNames } from "../tree/xattrs.ts";
import type { TarMember } from "./tar_member.ts";

/** The compression method of content that is stored uncompressed. */
export const STORED = 0;
/** The compression method of content that is compressed with deflate. */
export const DEFLATED = 8;

const MAX_UINT16 = 0xffff;
const MAX_UINT32 = 0xffffffff;

/**
 * The maximum size in bytes of a streamed file whose header has 32-bit sizes.
 * The compressed size must also fit in 32 bits, and deflate can make content up
 * to 1/256 larger.
 */
export const MAX_PLAIN_BYTES = MAX_UINT32 - (MAX_UINT32 >>> 8);

/** The version of the zip format that introduced zip64, 4.5, times ten. */
const VERSION = 45;
/** The value that marks a member as made on Unix. */
const UNIX = 3 << 8;
/** The flag of a member whose checksum and sizes follow its content. */
const HAS_DESCRIPTOR = 1 << 3;
/** The flag of a member whose name is UTF-8. */
const IS_UTF8 = 1 << 11;

/**
 * The file type in a Unix mode, for each kind of member that a zip can hold.
 */
const KIND_BITS: Readonly<Record<string, number>> = {
  file: 0o100000,
  directory: 0o040000,
  symlink: 0o120000,
};
/** The MS-DOS attribute for a directory. */
const DOS_DIRECTORY = 0x10;

/**
 * Matches a path that APPNOTE.TXT forbids in section 4.4.17.1. Some programs
 * read a backslash as a separator, and could write outside the target
 * directory.
 */
const UNSAFE = /\\|^[A-Za-z]:/;

const SECOND_NS = 1_000_000_000n;
/** The earliest MS-DOS time, in seconds since 1970: the start of 1980. */
const MIN_DOS_SECONDS = 315_532_800;
/** The latest MS-DOS time, in seconds since 1970: the end of 2107. */
const MAX_DOS_SECONDS = 4_354_819_198;

/** A member of a zip, as its headers describe it. */
export interface ZipEntry {
  /** The path, kind and metadata of the member. */
  member: TarMember;
  /** The offset of the local header in the archive, in bytes. */
  offset: number;
  /** The compression method: {@linkcode STORED} or {@linkcode DEFLATED}. */
  method: number;
  /** Whether the checksum and the sizes follow the content. */
  isStreamed: boolean;
  /** Whether the headers hold the sizes as 64-bit numbers (zip64). */
  isLarge: boolean;
  /** The CRC-32 of the content. */
  crc: number;
  /** The size of the content in bytes. */
  size: number;
  /** The size of the content as stored in the archive, in bytes. */
  packedSize: number;
}

/** The part of a member that a zip cannot hold. */
export interface ZipLoss {
  /** The message that names what a zip cannot hold. */
  message: string;
  /** Whether the member can be stored without this part. */
  canStore: boolean;
}

/**
 * Returns the part of a member that a zip cannot hold, or `undefined` if a zip
 * can hold the whole member. The names of the owner and group, and the fraction
 * of a second in the time, are never stored and do not count.
 */
export function zipLossOf(member: TarMember): ZipLoss | undefined {
  const { kind, path, xattrs, uid, gid } = member;
  if (KIND_BITS[kind] === undefined) {
    return {
      message: `a zip cannot hold a ${nameOfKind(kind)}`,
      canStore: false,
    };
  }
  if (!path.isWellFormed()) {
    return {
      message: "a zip cannot hold a path that is not valid UTF-8",
      canStore: false,
    };
  }
  if (UNSAFE.test(path)) {
    return {
      message: "a zip cannot hold a path that has a backslash or begins with " +
        "a drive letter",
      canStore: false,
    };
  }
  const lost: string[] = [];
  const names = ownNames(xattrs);
  if (names.length > 0) {
    lost.push(`extended attributes or ACLs (${names.join(", ")})`);
  }
  if (!isUnixTime(secondsOf(member))) {
    lost.push(
      "a time before 1901-12-13 20:45:52 or after 2038-01-19 03:14:07 UTC",
    );
  }
  if (uid > MAX_UINT32 || gid > MAX_UINT32) {
    lost.push("an owner or group with a number of more than 32 bits");
  }
  return lost.length === 0 ? undefined : {
    message: `a zip cannot hold ${lost.join(", or ")}`,
    canStore: true,
  };
}

/**
 * Returns the header that precedes the content of a member. If the member is
 * streamed, its checksum and sizes are not needed.
 */
export function localHeader(entry: ZipEntry): Uint8Array {
  const { isStreamed, isLarge } = entry;
  const [crc, size, packedSize] = isStreamed
    ? [0, 0, 0]
    : [entry.crc, entry.size, entry.packedSize];
  const name = nameOf(entry);
  const extra = concat([
    ...isLarge ? [largeField(size, packedSize)] : [],
    ...unixFields(entry.member),
  ]);
  const record = new RecordWriter(30);
  record.u32(0x04034b50);
  writeCommon(record, entry);
  record.u32(crc);
  record.u32(isLarge ? MAX_UINT32 : packedSize);
  record.u32(isLarge ? MAX_UINT32 : size);
  record.u16(name.length);
  record.u16(extra.length);
  return concat([record.bytes, name, extra]);
}

/**
 * Returns the record with the checksum and the sizes of a streamed member. The
 * record follows the content.
 */
export function encodeDescriptor(
  { crc, size, packedSize, isLarge }: ZipEntry,
): Uint8Array {
  const record = new RecordWriter(isLarge ? 24 : 16);
  record.u32(0x08074b50);
  record.u32(crc);
  for (const value of [packedSize, size]) {
    if (isLarge) record.u64(value);
    else record.u32(value);
  }
  return record.bytes;
}

/** Returns the header of a member in the central directory. */
export function centralHeader(entry: ZipEntry): Uint8Array {
  const { member, crc, size, packedSize, offset, isLarge } = entry;
  const { kind, mode } = member;
  const name = nameOf(entry);
  const isFar = offset >= MAX_UINT32;
  const large = [
    ...isLarge ? [size, packedSize] : [],
    ...isFar ? [offset] : [],
  ];
  const extra = concat([
    ...large.length > 0 ? [largeField(...large)] : [],
    ...unixFields(member),
  ]);
  const record = new RecordWriter(46);
  record.u32(0x02014b50);
  record.u16(UNIX | VERSION);
  writeCommon(record, entry);
  record.u32(crc);
  record.u32(isLarge ? MAX_UINT32 : packedSize);
  record.u32(isLarge ? MAX_UINT32 : size);
  record.u16(name.length);
  record.u16(extra.length);
  record.u16(0); // The length of the comment.
  record.u16(0); // The number of the disk.
  record.u16(0); // The internal attributes.
  record.u16(kind === "directory" ? DOS_DIRECTORY : 0);
  record.u16(KIND_BITS[kind] | mode & 0o7777);
  record.u32(isFar ? MAX_UINT32 : offset);
  return concat([record.bytes, name, extra]);
}

/** The numbers in the records that follow the central directory. */
export interface ZipEnd {
  /** The number of members in the zip. */
  count: number;
  /** The offset of the central directory, in bytes. */
  offset: number;
  /** The size of the central directory, in bytes. */
  size: number;
}

/**
 * Returns the records that follow the central directory, at the end of a zip.
 */
export function encodeEnd({ count, offset, size }: ZipEnd): Uint8Array {
  const isLarge = count >= MAX_UINT16 || offset >= MAX_UINT32 ||
    size >= MAX_UINT32;
  const record = new RecordWriter(isLarge ? 98 : 22);
  if (isLarge) {
    record.u32(0x06064b50);
    record.u64(44); // The length of the rest of this record.
    record.u16(UNIX | VERSION);
    record.u16(VERSION);
    record.u32(0); // The number of this disk.
    record.u32(0); // The disk with the central directory.
    record.u64(count);
    record.u64(count);
    record.u64(size);
    record.u64(offset);
    record.u32(0x07064b50);
    record.u32(0); // The disk with the record above.
    record.u64(offset + size);
    record.u32(1); // The number of disks.
  }
  record.u32(0x06054b50);
  record.u16(0); // The number of this disk.
  record.u16(0); // The disk with the central directory.
  record.u16(Math.min(count, MAX_UINT16));
  record.u16(Math.min(count, MAX_UINT16));
  record.u32(Math.min(size, MAX_UINT32));
  record.u32(Math.min(offset, MAX_UINT32));
  record.u16(0); // The length of the comment.
  return record.bytes;
}

/** Writes the fields that the two headers of a member have in common. */
function writeCommon(
  record: RecordWriter,
  { member, method, isStreamed }: ZipEntry,
): void {
  record.u16(VERSION);
  record.u16(IS_UTF8 | (isStreamed ? HAS_DESCRIPTOR : 0));
  record.u16(method);
  const seconds = secondsOf(member);
  const time = new Date(
    1000 * Math.min(Math.max(seconds, MIN_DOS_SECONDS), MAX_DOS_SECONDS),
  );
  // MS-DOS times are local times. The result must not depend on the time zone,
  // so UTC is used. Programs that know the field `UT` ignore this time.
  record.u16(
    time.getUTCHours() << 11 | time.getUTCMinutes() << 5 |
      time.getUTCSeconds() >>> 1,
  );
  record.u16(
    time.getUTCFullYear() - 1980 << 9 | time.getUTCMonth() + 1 << 5 |
      time.getUTCDate(),
  );
}

/** Returns the bytes of a member's name. */
function nameOf({ member }: ZipEntry): Uint8Array {
  const { path, kind } = member;
  return encodeName(kind === "directory" ? `${path}/` : path);
}

/** Returns the extra field of zip64 with the given numbers. */
function largeField(...numbers: number[]): Uint8Array {
  const field = new RecordWriter(4 + 8 * numbers.length);
  field.u16(0x0001);
  field.u16(8 * numbers.length);
  for (const number of numbers) field.u64(number);
  return field.bytes;
}

/** Returns the extra fields for the time and the owner of a member. */
function unixFields(member: TarMember): Uint8Array[] {
  const { uid, gid } = member;
  const fields: Uint8Array[] = [];
  const seconds = secondsOf(member);
  if (isUnixTime(seconds)) {
    const field = new RecordWriter(9);
    field.u16(0x5455); // `UT`.
    field.u16(5);
    field.u8(1); // Only the modification time follows.
    field.u32(seconds);
    fields.push(field.bytes);
  }
  if (uid <= MAX_UINT32 && gid <= MAX_UINT32) {
    const field = new RecordWriter(15);
    field.u16(0x7875); // `ux`.
    field.u16(11);
    field.u8(1); // The version of the field.
    for (const id of [uid, gid]) {
      field.u8(4);
      field.u32(id);
    }
    fields.push(field.bytes);
  }
  return fields;
}

/** Returns the time of a member in whole seconds since 1970, rounded down. */
function secondsOf({ mtime }: TarMember): number {
  const seconds = mtime / SECOND_NS;
  return Number(
    mtime < 0n && mtime % SECOND_NS !== 0n ? seconds - 1n : seconds,
  );
}

/** Returns whether a time in seconds fits into a signed 32-bit number. */
function isUnixTime(seconds: number): boolean {
  return seconds === (seconds | 0);
}

/** Writes a record of a fixed length, with little-endian numbers. */
class RecordWriter {
  readonly bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(length: number) {
    this.bytes = new Uint8Array(length);
    this.#view = new DataView(this.bytes.buffer);
  }

  u8(value: number): void {
    this.#view.setUint8(this.#at, value);
    this.#at += 1;
  }

  u16(value: number): void {
    this.#view.setUint16(this.#at, value, true);
    this.#at += 2;
  }

  u32(value: number): void {
    this.#view.setUint32(this.#at, value, true);
    this.#at += 4;
  }

  u64(value: number): void {
    this.#view.setBigUint64(this.#at, BigInt(value), true);
    this.#at += 8;
  }
}
