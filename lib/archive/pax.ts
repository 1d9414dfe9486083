import { formatTime as formatNanoseconds } from "../tree/to_json.ts";
import type { ByteReader } from "../bytes/byte_reader.ts";
import { concat } from "../bytes/source.ts";
import { decodeName, encodeName } from "../tree/raw_name.ts";
import { isXattrKey } from "./pax_xattrs.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const SECOND_NS = 1_000_000_000n;
const NEWLINE = new Uint8Array([0x0a]);

/** The prefix of the keys of GNU tar's records for sparse members. */
export const SPARSE = "GNU.sparse.";
/** The key of the record that lists the data ranges of a sparse member. */
const SPARSE_MAP = "GNU.sparse.map";
/**
 * The keys of the two records for each data range of a sparse member in the
 * first version of GNU tar's format, which has no list of the ranges.
 * `decodePax` makes the list from their values.
 */
const SPARSE_PARTS = ["GNU.sparse.offset", "GNU.sparse.numbytes"];

/**
 * The keys that libarchive and star use for device numbers that are too large
 * for the fields of a tar header.
 */
export const DEVICE = {
  major: "SCHILY.devmajor",
  minor: "SCHILY.devminor",
} as const;

/**
 * The keys of the records that `decodePax` keeps, in addition to the records of
 * extended attributes and ACLs. Other records are not kept in memory, because
 * an archive can have any number of them.
 */
const KNOWN: readonly string[] = [
  "path",
  "linkpath",
  "size",
  "mtime",
  "uid",
  "gid",
  "uname",
  "gname",
  DEVICE.major,
  DEVICE.minor,
  "GNU.sparse.major",
  "GNU.sparse.minor",
  "GNU.sparse.name",
  "GNU.sparse.realsize",
  "GNU.sparse.size",
  SPARSE_MAP,
];

/**
 * The maximum length in bytes of a key that is decoded, including the space
 * before the key. The longest known keys are those of extended attributes: a
 * prefix, and a name of at most 255 bytes, each of which takes 3 bytes if it is
 * escaped.
 */
const MAX_KEY_BYTES = 1024;

/**
 * PAX records (POSIX.1-2001, "pax Extended Header") by key. The values of
 * extended attributes are bytes, and so are ACLs that `decodePax` read. All
 * other values are text, in the form that `decodeName` returns.
 */
export type PaxRecords = Map<string, string | Uint8Array>;

/**
 * Encodes records as the body of an extended header. Each record has the form
 * `length key=value\n`, where `length` is the number of bytes in the whole
 * record, in decimal.
 *
 * @param records The records, in the order in which they are written.
 */
export function encodePax(records: PaxRecords): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const [key, value] of records) {
    const head = encoder.encode(` ${key}=`);
    const body = typeof value === "string" ? encodeName(value) : value;
    const bytes = head.length + body.length + 1;
    let length = bytes + String(bytes).length;
    if (String(length).length > String(bytes).length) length += 1;
    parts.push(encoder.encode(String(length)), head, body, NEWLINE);
  }
  return concat(parts);
}

/**
 * Decodes the body of an extended header and adds the known records to
 * `records`. A record with an empty value deletes the earlier record with the
 * same key, unless the record holds an extended attribute or an ACL.
 *
 * @param body The whole body of the extended header.
 * @param records The records of earlier headers, to which the records in `body`
 *   are added.
 * @param place The reader, which is positioned after the body. Errors give this
 *   position.
 * @throws {DeltarError} `corrupt` if the length of a record is wrong, or if a
 *   record has no equals sign.
 */
export function decodePax(
  body: Uint8Array,
  records: PaxRecords,
  place: ByteReader,
): void {
  const fault = (what: string) =>
    place.corrupt(`${what} in a pax header`, place.offset);
  for (let at = 0; at < body.length;) {
    let length = 0;
    let start = at;
    while (start < body.length && body[start] !== 0x20) {
      const digit = body[start++] - 0x30;
      if (digit < 0 || digit > 9 || start - at > 9) {
        throw fault("invalid length of a record");
      }
      length = length * 10 + digit;
    }
    const end = at + length;
    if (end > body.length || end <= start + 1 || body[end - 1] !== 0x0a) {
      throw fault("invalid length of a record");
    }
    const equals = body.indexOf(0x3d, start);
    if (equals < 0 || equals >= end) throw fault("record without `=`");
    at = end;
    if (equals - start > MAX_KEY_BYTES) continue;
    const key = decoder.decode(body.subarray(start + 1, equals));
    if (isXattrKey(key)) {
      // An extended attribute can have an empty value, so an empty value does
      // not delete the record.
      records.set(key, body.slice(equals + 1, end - 1));
      continue;
    }
    const isPart = SPARSE_PARTS.includes(key);
    if (!isPart && !KNOWN.includes(key)) continue;
    const value = decodeName(body.subarray(equals + 1, end - 1));
    if (isPart) {
      const before = records.get(SPARSE_MAP);
      records.set(SPARSE_MAP, before ? `${before},${value}` : value);
      continue;
    }
    if (value === "") records.delete(key);
    else records.set(key, value);
  }
}

/**
 * Formats a time as decimal seconds since 1970, such as `1136239445.25`, exact
 * to the nanosecond and without trailing zeros.
 *
 * @param time The time in nanoseconds since 1970.
 */
export function formatTime(time: bigint): string {
  const text = formatNanoseconds(time);
  return text.includes(".") ? text.replace(/0+$/, "") : text;
}

/**
 * Parses a time in decimal seconds since 1970. Digits after the ninth decimal
 * place are cut off.
 *
 * @param text The seconds, such as `-1.5`.
 * @returns The time in nanoseconds since 1970, or `undefined` if `text` is not
 *   a decimal number.
 */
export function parseTime(text: string): bigint | undefined {
  const match = /^(-?)(\d{1,20})(?:\.(\d*))?$/.exec(text);
  if (match === null) return undefined;
  const fraction = (match[3] ?? "").slice(0, 9).padEnd(9, "0");
  const size = BigInt(match[2]) * SECOND_NS + BigInt(fraction);
  return match[1] ? -size : size;
}
