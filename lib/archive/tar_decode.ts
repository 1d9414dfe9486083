import type { ByteReader } from "../bytes/byte_reader.ts";
import { DeltarError } from "../bytes/errors.ts";
import type { DeviceNumber } from "../tree/entry.ts";
import { decodeName } from "../tree/raw_name.ts";
import { BLOCK } from "./tar_member.ts";

const SECOND_NS = 1_000_000_000n;
/** The type flags of devices, one character each. */
const DEVICES = "34";

/** A decoded header block, before extended headers are applied. */
export interface TarHeader {
  /** The name with its prefix, possibly with a slash at the end. */
  name: string;
  /** The type flag of the member, one character. */
  type: string;
  /** The value of the size field, in bytes. */
  size: number;
  /** The permission bits of the member, with setuid, setgid and sticky. */
  mode: number;
  /** The modification time in nanoseconds since 1970. */
  mtime: bigint;
  /** The user ID of the owner. */
  uid: number;
  /** The group ID of the member. */
  gid: number;
  /** The target of a link. Usually empty for other members. */
  link: string;
  /** The owner's name; empty if the header has none. */
  uname: string;
  /** The group's name; empty if the header has none. */
  gname: string;
  /**
   * The number of a device. For other members, the major and the minor number
   * are 0.
   */
  device: DeviceNumber;
}

/**
 * Decodes a header block of ustar, GNU (with base-256 numbers) or v7.
 *
 * @param block The 512 bytes of the block.
 * @param reader The reader, positioned after the block, for messages.
 * @returns The header, or `undefined` if all bytes of the block are zero.
 * @throws {DeltarError} `corrupt` if the checksum or a number is invalid.
 */
export function decodeHeader(
  block: Uint8Array,
  reader: ByteReader,
): TarHeader | undefined {
  const offset = reader.offset - BLOCK;
  const sum = checkSums(block);
  if (sum.unsigned === 8 * 0x20 && block.every((byte) => byte === 0)) {
    return undefined;
  }
  const number = (at: number, length: number, what: string): number => {
    const value = decodeNumber(block.subarray(at, at + length));
    if (value === undefined) {
      throw reader.corrupt(`invalid ${what} in a tar header`, offset + at);
    }
    return value;
  };
  const stored = number(148, 8, "checksum");
  if (stored !== sum.unsigned && stored !== sum.signed) {
    throw reader.corrupt("not a tar header: wrong checksum", offset);
  }
  const positive = (at: number, length: number, what: string): number => {
    const value = number(at, length, what);
    if (value >= 0) return value;
    throw reader.corrupt(`negative ${what} in a tar header`, offset + at);
  };
  const posix = text(block, 257, 6) === "ustar" && block[262] === 0;
  const hasNames = text(block, 257, 5) === "ustar";
  const prefix = posix ? text(block, 345, 155) : "";
  const name = text(block, 0, 100);
  return {
    name: prefix ? `${prefix}/${name}` : name,
    type: String.fromCharCode(block[156] || 0x30),
    size: positive(124, 12, "size"),
    mode: positive(100, 8, "mode") & 0o7777,
    mtime: BigInt(number(136, 12, "time")) * SECOND_NS,
    uid: positive(108, 8, "uid"),
    gid: positive(116, 8, "gid"),
    link: text(block, 157, 100),
    uname: hasNames ? text(block, 265, 32) : "",
    gname: hasNames ? text(block, 297, 32) : "",
    device: DEVICES.includes(String.fromCharCode(block[156]))
      ? { major: positive(329, 8, "device"), minor: positive(337, 8, "device") }
      : { major: 0, minor: 0 },
  };
}

/**
 * Decodes a nonnegative number in a header.
 *
 * @param field The bytes of the field.
 * @param what The name of the field, for the message.
 * @param reader The reader, positioned after the block, for messages.
 * @throws {DeltarError} `corrupt` if the number is invalid or negative.
 */
export function decodeCount(
  field: Uint8Array,
  what: string,
  reader: ByteReader,
): number {
  const value = decodeNumber(field);
  if (value !== undefined && value >= 0) return value;
  throw reader.corrupt(`invalid ${what} in a tar header`);
}

/**
 * Throws the error for a member that does not hold its whole content, because
 * the content is split across the volumes of a GNU multi-volume archive.
 */
export function refuseParts(reader: ByteReader, path: string): never {
  throw new DeltarError(
    "unsupported",
    "split tar members are not supported; extract the archive with GNU tar",
    {
      object: reader.object,
      path,
      offset: reader.offset - BLOCK,
    },
  );
}

/**
 * Returns two checksums of a header: the sum of its bytes as unsigned numbers,
 * and the sum of its bytes as signed numbers. Old versions of tar used signed
 * numbers.
 */
function checkSums(block: Uint8Array): { unsigned: number; signed: number } {
  let unsigned = 8 * 0x20;
  let high = 0;
  for (let at = 0; at < BLOCK; at++) {
    if (at >= 148 && at < 156) continue;
    unsigned += block[at];
    high += block[at] >> 7;
  }
  return { unsigned, signed: unsigned - 256 * high };
}

function text(block: Uint8Array, at: number, length: number): string {
  let end = at;
  while (end < at + length && block[end] !== 0) end++;
  return decodeName(block.subarray(at, end));
}

/**
 * Decodes a field with octal text or, if the first bit is set, with a number in
 * GNU's base-256. Returns `undefined` if the number is invalid.
 */
function decodeNumber(field: Uint8Array): number | undefined {
  if (field[0] & 0x80) return decodeBinary(field);
  let at = 0;
  while (at < field.length && field[at] === 0x20) at++;
  let value = 0;
  for (; at < field.length; at++) {
    if (field[at] === 0 || field[at] === 0x20) break;
    const digit = field[at] - 0x30;
    if (digit < 0 || digit > 7) return undefined;
    value = value * 8 + digit;
  }
  return Number.isSafeInteger(value) ? value : undefined;
}

/**
 * Decodes a big-endian number in two's complement. The first bit is a flag, and
 * not part of the number. Returns `undefined` if the number is too large for a
 * safe integer.
 */
function decodeBinary(field: Uint8Array): number | undefined {
  const negative = (field[0] & 0x40) !== 0;
  let value = negative ? field[0] - 0x100 : field[0] & 0x3f;
  for (let at = 1; at < field.length; at++) {
    value = value * 256 + field[at];
    if (!Number.isSafeInteger(value)) return undefined;
  }
  return value;
}
