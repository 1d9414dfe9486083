import type {
  DeviceNumber,
  DirectoryEntry,
  EntryKind,
  HardLinkEntry,
  Metadata,
  SpecialEntry,
  SpecialKind,
  SymlinkEntry,
} from "./entry.ts";
import type { HashedFileEntry } from "./entry_line.ts";

/**
 * Converts a value, at any depth, to a form that `JSON.stringify` accepts:
 *
 * - A `bigint` in a field `mtime`, `btime` or `ctime`, which is a time in
 *   nanoseconds since 1970, becomes decimal seconds since 1970.
 * - Any other `bigint` becomes decimal digits.
 * - A `Map` becomes an object, and a `Set` becomes an array.
 * - An error becomes an object with its name, message and fields.
 * - The fields `sparse` and `sha256` of a sparse file become the fields `size`
 *   and `sha256` of an object `sparse`, as in docs/FORMAT.md.
 *
 * Entries and indexes that the library returns have a `toJSON` method that
 * makes this conversion. A copy of an entry, such as `{ ...entry }`, has no
 * `toJSON`.
 *
 * @param value The value to convert. It is not changed.
 *
 * @example A copy of an entry
 * ```ts
 * import { toJson } from "@deltar/deltar";
 * import assert from "node:assert/strict";
 *
 * const entry = { path: "notes.txt", mtime: 1_500_000_000_250_000_000n };
 * const text = JSON.stringify(toJson(entry));
 * assert.equal(text, '{"path":"notes.txt","mtime":"1500000000.250000000"}');
 * ```
 */
export function toJson(value: unknown): unknown {
  return converted(value, "");
}

function converted(value: unknown, key: string): unknown {
  if (typeof value === "bigint") {
    return TIMES.has(key) ? formatTime(value) : value.toString();
  }
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map((one) => converted(one, key));
  if (value instanceof Set) return converted([...value], key);
  if (value instanceof Map) return fieldsOf(value);
  const { toJSON } = value as { toJSON?: unknown };
  if (typeof toJSON === "function" && toJSON !== ofFields) {
    return toJSON.call(value, key);
  }
  if (!(value instanceof Error)) return fieldsOf(Object.entries(value));
  const { name, message } = value;
  return { name, message, ...fieldsOf(Object.entries(value)) };
}

function fieldsOf(fields: Iterable<[unknown, unknown]>): object {
  const object = Object.fromEntries(
    Array.from(fields, ([key, value]) => {
      const name = String(key);
      return [name, converted(value, name)];
    }),
  );
  const { sha256, sparse, ...rest } = object;
  if (typeof sparse !== "number" || sha256 === undefined) return object;
  // This is the form in docs/FORMAT.md. It keeps the checksum of a condensed
  // form from being mistaken for the checksum of the whole content.
  return { ...rest, sparse: { size: sparse, sha256 } };
}

const TIMES: ReadonlySet<string> = new Set(["mtime", "btime", "ctime"]);

/** Returns the result of {@linkcode toJson} for `this`. */
function ofFields(this: object): unknown {
  return converted(this, "");
}

/**
 * The descriptor of the method `toJSON` of an entry. The method is not
 * enumerable, so that copies and comparisons use only the fields.
 */
const TO_JSON: PropertyDescriptor = { value: ofFields };

/**
 * Adds a method `toJSON` to an object, and returns the object. The method
 * returns the result of {@linkcode toJson} for the object.
 */
export function withJson<Of extends object>(object: Of): Of {
  return Object.defineProperty(object, "toJSON", TO_JSON);
}

/**
 * Makes the entry of a file, with its `toJSON` method. There can be millions of
 * entries, and an entry that a constructor makes takes less memory than an
 * object literal to which properties are added.
 *
 * @param path The path below the root.
 * @param metadata The mode, times, owner and extended attributes.
 * @param size The size in bytes.
 * @param sha256 The SHA-256 in hexadecimal: of the condensed form if the file
 * is sparse, otherwise of the content.
 * @param sparse The length in bytes of the condensed form of a sparse file;
 * `undefined` for other files.
 */
export function makeFile(
  path: string,
  metadata: Metadata,
  size: number,
  sha256: string,
  sparse?: number,
): HashedFileEntry {
  const file = new EntryFields(path, "file", metadata, size, sha256);
  if (sparse !== undefined) file.sparse = sparse;
  return file;
}

/** Makes the entry of a directory; see {@linkcode makeFile}. */
export function makeDirectory(
  path: string,
  metadata: Metadata,
): DirectoryEntry {
  return new EntryFields(path, "directory", metadata, 0);
}

/** Makes the entry of a symlink or hard link; see {@linkcode makeFile}. */
export function makeLink(
  path: string,
  kind: "symlink" | "hardlink",
  metadata: Metadata,
  target: string,
): SymlinkEntry | HardLinkEntry {
  return new EntryFields(path, kind, metadata, 0, undefined, target);
}

/**
 * Makes the entry of a named pipe or a device; see {@linkcode makeFile}. There
 * are few such entries, so it does not matter that adding the field `device`
 * takes more memory.
 *
 * @param path The path below the root.
 * @param kind The kind of the entry.
 * @param metadata The mode, times, owner and extended attributes.
 * @param device The number of the device. Ignored for a named pipe.
 */
export function makeSpecial(
  path: string,
  kind: SpecialKind,
  metadata: Metadata,
  device: DeviceNumber | undefined,
): SpecialEntry {
  const entry = new EntryFields(path, kind, metadata, 0);
  if (kind === "fifo" || device === undefined) return entry;
  const { major, minor } = device;
  return Object.assign(entry, { device: { major, minor } });
}

/** The fields that the constructor {@linkcode EntryFields} sets. */
interface AllFields extends Metadata {
  path: string;
  kind: EntryKind;
  size: number;
  sha256?: string;
  target?: string;
}

/**
 * A constructor of entries. Its prototype is `Object.prototype`, so that
 * entries are plain objects.
 */
const EntryFields = function (
  this: AllFields,
  path: string,
  kind: EntryKind,
  { mode, mtime, uid, gid, btime, xattrs }: Metadata,
  size: number,
  sha256?: string,
  target?: string,
): void {
  this.path = path;
  this.kind = kind;
  this.mode = mode;
  this.mtime = mtime;
  this.uid = uid;
  this.gid = gid;
  this.size = size;
  Object.defineProperty(this, "toJSON", TO_JSON);
  if (sha256 !== undefined) this.sha256 = sha256;
  if (target !== undefined) this.target = target;
  if (btime !== undefined) this.btime = btime;
  if (xattrs !== undefined) this.xattrs = xattrs;
} as unknown as {
  new (
    ...fields: [string, "file", Metadata, size: number, sha256: string]
  ): HashedFileEntry;
  new (
    ...fields: [string, "directory", Metadata, size: number]
  ): DirectoryEntry;
  new (
    ...fields: [string, SpecialKind, Metadata, size: number]
  ): SpecialEntry;
  new (
    ...fields: [
      string,
      "symlink" | "hardlink",
      Metadata,
      size: number,
      sha256: undefined,
      target: string,
    ]
  ): SymlinkEntry | HardLinkEntry;
};
EntryFields.prototype = Object.prototype;

/**
 * Returns a time as decimal seconds since 1970: with nine decimal places, or
 * with none if the time is a whole number of seconds.
 *
 * @param time The time in nanoseconds since 1970.
 *
 * @example
 * ```ts
 * import { formatTime } from "@deltar/deltar/tree";
 * import assert from "node:assert/strict";
 *
 * assert.equal(formatTime(1_500_000_000_250_000_000n), "1500000000.250000000");
 * ```
 */
export function formatTime(time: bigint): string {
  const magnitude = time < 0n ? -time : time;
  const digits = magnitude.toString().padStart(10, "0");
  const seconds = digits.slice(0, -9);
  const rest = digits.slice(-9);
  const text = rest === "000000000" ? seconds : `${seconds}.${rest}`;
  return time < 0n ? `-${text}` : text;
}
