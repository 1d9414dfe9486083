import type {
  DirectoryEntry,
  EntryKind,
  HardLinkEntry,
  Metadata,
  SymlinkEntry,
} from "./entry.ts";
import type { HashedFileEntry } from "./entry_line.ts";

/**
 * Returns a value as `JSON.stringify` takes it, however deep: a time in
 * nanoseconds as decimal seconds, as docs/FORMAT.md has it, another `bigint` in
 * decimal digits, a `Map` as an object, a `Set` as an array, an error with its
 * message. What the library returns does this by itself in `JSON.stringify`; a
 * copy of an entry, such as `{ ...entry }`, does not.
 *
 * @param value The value. It is not changed.
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
  return Object.fromEntries(
    Array.from(fields, ([key, value]) => {
      const name = String(key);
      return [name, converted(value, name)];
    }),
  );
}

const TIMES: ReadonlySet<string> = new Set(["mtime", "ctime"]);

/** The `toJSON` of plain objects, and of maps. */
function ofFields(this: object): unknown {
  return converted(this, "");
}

/** Not enumerable, so that copies and comparisons see the fields alone. */
const TO_JSON: PropertyDescriptor = { value: ofFields };

/** Makes `JSON.stringify` write an object as {@linkcode toJson} returns it. */
export function withJson<Of extends object>(object: Of): Of {
  return Object.defineProperty(object, "toJSON", TO_JSON);
}

/**
 * Makes the entry of a file, with its `toJSON`. There may be millions: with a
 * constructor each takes less memory than a literal to which properties are
 * added later.
 */
export function makeFile(
  path: string,
  { mode, mtime, uid, gid }: Metadata,
  size: number,
  sha256: string,
): HashedFileEntry {
  return new EntryFields(path, "file", mode, mtime, uid, gid, size, sha256);
}

/** Makes the entry of a directory; see {@linkcode makeFile}. */
export function makeDirectory(
  path: string,
  { mode, mtime, uid, gid }: Metadata,
): DirectoryEntry {
  return new EntryFields(path, "directory", mode, mtime, uid, gid, 0);
}

/** Makes the entry of a link; see {@linkcode makeFile}. */
export function makeLink(
  path: string,
  kind: "symlink" | "hardlink",
  { mode, mtime, uid, gid }: Metadata,
  target: string,
): SymlinkEntry | HardLinkEntry {
  return new EntryFields(
    path,
    kind,
    mode,
    mtime,
    uid,
    gid,
    0,
    undefined,
    target,
  );
}

/** The fields that a constructor may set, whatever the kind. */
interface AllFields extends Metadata {
  path: string;
  kind: EntryKind;
  size: number;
  sha256?: string;
  target?: string;
}

/**
 * Shares the prototype of all plain objects, so that entries are plain objects.
 */
const EntryFields = function (
  this: AllFields,
  path: string,
  kind: EntryKind,
  mode: number,
  mtime: bigint,
  uid: number,
  gid: number,
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
} as unknown as {
  new (
    ...fields: [string, "file", ...Numbers, sha256: string]
  ): HashedFileEntry;
  new (...fields: [string, "directory", ...Numbers]): DirectoryEntry;
  new (
    ...fields: [
      string,
      "symlink" | "hardlink",
      ...Numbers,
      sha256: undefined,
      target: string,
    ]
  ): SymlinkEntry | HardLinkEntry;
};
EntryFields.prototype = Object.prototype;

/** Mode, time, owner, group and size. */
type Numbers = [
  mode: number,
  mtime: bigint,
  uid: number,
  gid: number,
  size: number,
];

/** Nanoseconds since 1970 as decimal seconds. */
export function formatTime(time: bigint): string {
  const magnitude = time < 0n ? -time : time;
  const digits = magnitude.toString().padStart(10, "0");
  const seconds = digits.slice(0, -9);
  const rest = digits.slice(-9);
  const text = rest === "000000000" ? seconds : `${seconds}.${rest}`;
  return time < 0n ? `-${text}` : text;
}
