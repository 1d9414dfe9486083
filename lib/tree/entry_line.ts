import { isCount } from "../bytes/is_count.ts";
import { DeltarError } from "../bytes/errors.ts";
import type { Line } from "../bytes/listing.ts";
import {
  type DeviceNumber,
  type FileEntry,
  isSpecialKind,
  type Metadata,
  type NonFileEntry,
} from "./entry.ts";
import { checkPath, comparePaths } from "./path.ts";
import { octalName } from "./raw_name.ts";
import {
  formatTime,
  makeDirectory,
  makeFile,
  makeLink,
  makeSpecial,
  withJson,
} from "./to_json.ts";
import { decodeXattrs } from "./xattrs.ts";

/** The entry of a file, with the SHA-256 of the file's content. */
export interface HashedFileEntry extends FileEntry {
  /**
   * The SHA-256 of the content, or of the condensed form of a sparse file, in
   * hexadecimal.
   */
  sha256: string;
  /**
   * The length in bytes of the condensed form of a sparse file, which is a list
   * of the ranges that have data, and then this data. Absent for other files.
   */
  sparse?: number;
}

/**
 * Returns the length in bytes of a file's content in its stored form: the
 * length of the condensed form for a sparse file, otherwise the file's size.
 */
export function storedSize({ size, sparse }: HashedFileEntry): number {
  return sparse ?? size;
}

/** An entry. A file's entry has the SHA-256 of its content. */
export type HashedEntry = HashedFileEntry | NonFileEntry;

/**
 * The version of a listing that contains a named pipe, a device, or a path or
 * target that is not valid UTF-8. Version 1 does not allow them.
 */
export const LATER_VERSION = 2;

/**
 * Returns the version of a listing with these entries: `LATER_VERSION` if one
 * of them is a named pipe or a device, or has a path or target that is not
 * valid UTF-8; otherwise 1.
 */
export function versionOf(
  entries: Iterable<{ kind: string; path: string; target?: string }>,
): number {
  for (const entry of entries) {
    if (isSpecialKind(entry.kind) || hasRawName(entry)) return LATER_VERSION;
  }
  return 1;
}

/**
 * Returns whether the path or the target of an entry is not valid UTF-8; see
 * `decodeName`.
 */
export function hasRawName(
  { path, target }: { path: string; target?: string },
): boolean {
  return !path.isWellFormed() || target?.isWellFormed() === false;
}

/**
 * Returns a line with an additional field `raw` if a path in one of the given
 * fields is not valid UTF-8; otherwise returns the line itself. `raw` has the
 * bytes of each such path with octal escapes, because `jq` cannot read these
 * bytes from the path.
 */
export function addRaw(line: Line, ...fields: string[]): Line {
  const raw = fields.flatMap((field) => {
    const path = line[field];
    return typeof path !== "string" || path.isWellFormed()
      ? []
      : [[field, octalName(path)]];
  });
  return raw.length === 0 ? line : { ...line, raw: Object.fromEntries(raw) };
}

/** The maximum major or minor number of a device. */
const MAX_DEVICE_NUMBER = 2 ** 32 - 1;

const HASH = /^[0-9a-f]{64}$/;
const MODE = /^0[0-7]{3,4}$/;
const TIME = /^(-?)(\d{1,19})(?:\.(\d{1,9}))?$/;

/**
 * Returns an entry as a line of JSON, with its fields in the order of
 * docs/FORMAT.md.
 */
export function encodeEntry(entry: HashedEntry): Line {
  const line: Line = { path: entry.path, kind: entry.kind };
  Object.assign(line, encodeMetadata(entry));
  if (entry.kind === "file") {
    const { size, sha256, sparse } = entry;
    line.size = size;
    if (sparse === undefined) line.sha256 = sha256;
    else line.sparse = { size: sparse, sha256 };
  }
  if (entry.target !== undefined) line.target = entry.target;
  if (entry.kind === "block" || entry.kind === "character") {
    const { major, minor } = entry.device;
    line.device = { major, minor };
  }
  return addRaw(line, "path", "target");
}

/**
 * Returns metadata as a line of JSON: the mode in octal, the time in decimal
 * seconds since 1970, the owner, the group and, if they were read, the creation
 * time and the extended attributes.
 */
export function encodeMetadata(metadata: Metadata): Line {
  const { mode, mtime, uid, gid, btime, xattrs } = metadata;
  const line: Line = {
    mode: "0" + mode.toString(8).padStart(3, "0"),
    mtime: formatTime(mtime),
    uid,
    gid,
  };
  if (btime !== undefined) line.btime = formatTime(btime);
  if (xattrs !== undefined) line.xattrs = xattrs;
  return line;
}

/**
 * Returns the entry in a line of a listing, and validates its fields.
 *
 * @param line The line.
 * @param object The name of the file, for errors.
 * @param offset The offset of the line in the file, in bytes.
 * @throws {DeltarError} `corrupt`, with the offset of the line, if a field is
 * missing or invalid; `unsafe` if a path is not valid in a tree; see
 * `checkPath`.
 */
export function decodeEntry(
  line: Line,
  object: string,
  offset: number,
): HashedEntry {
  const fail = (what: string): never => {
    throw new DeltarError("corrupt", `invalid entry: ${what}`, {
      object,
      offset,
    });
  };
  const { path, kind, size, target } = line;
  if (typeof path !== "string") return fail("missing `path`");
  checkPath(path, object);
  if (
    typeof kind !== "string" || kind !== "file" && kind !== "directory" &&
      kind !== "symlink" && kind !== "hardlink" && !isSpecialKind(kind)
  ) return fail("missing or unknown `kind`");
  const metadata = readMetadata(line, object, offset);
  if (isSpecialKind(kind)) {
    const device = kind === "fifo" ? undefined : decodeDevice(line.device);
    if (kind !== "fifo" && device === undefined) {
      return fail("missing or invalid `device`");
    }
    return makeSpecial(path, kind, metadata, device);
  }
  if (kind === "directory") return makeDirectory(path, metadata);
  if (kind === "file") {
    if (!isCount(size)) return fail("missing or invalid `size`");
    const sparse = line.sparse as Line | null | undefined;
    const { sha256 } = sparse ?? line;
    if (typeof sha256 !== "string" || !HASH.test(sha256)) {
      return fail("missing or invalid `sha256`");
    }
    if (sparse === undefined) return makeFile(path, metadata, size, sha256);
    if (!isCount(sparse?.size)) return fail("invalid `size` in `sparse`");
    return makeFile(path, metadata, size, sha256, sparse.size);
  }
  if (typeof target !== "string" || target === "" || target.includes("\0")) {
    return fail("missing or invalid `target`");
  }
  if (kind === "hardlink") checkPath(target, object);
  return makeLink(path, kind, metadata, target);
}

function decodeDevice(value: unknown): DeviceNumber | undefined {
  const { major, minor } = (value ?? {}) as Line;
  const isPart = (part: unknown): part is number =>
    isCount(part) && part <= MAX_DEVICE_NUMBER;
  return isPart(major) && isPart(minor) ? { major, minor } : undefined;
}

/**
 * Returns the metadata in a line that `encodeMetadata` made, and validates its
 * fields.
 *
 * @param line The line.
 * @param object The name of the file, for errors.
 * @param offset The offset of the line in the file, in bytes.
 * @throws {DeltarError} `corrupt`, with the offset of the line, if a field is
 * missing or invalid.
 */
export function decodeMetadata(
  line: Line,
  object: string,
  offset: number,
): Metadata {
  return withJson(readMetadata(line, object, offset));
}

function readMetadata(line: Line, object: string, offset: number): Metadata {
  const { mode, uid, gid } = line;
  const mtime = typeof line.mtime === "string"
    ? parseTime(line.mtime)
    : undefined;
  if (
    typeof mode !== "string" || !MODE.test(mode) || mtime === undefined ||
    !isCount(uid) || !isCount(gid)
  ) {
    throw new DeltarError(
      "corrupt",
      "missing or invalid `mode`, `mtime`, `uid` or `gid`",
      {
        object,
        offset,
      },
    );
  }
  const metadata: Metadata = { mode: parseInt(mode, 8), mtime, uid, gid };
  if (line.btime !== undefined) {
    const btime = typeof line.btime === "string"
      ? parseTime(line.btime)
      : undefined;
    if (btime === undefined) {
      throw new DeltarError("corrupt", "invalid `btime`", { object, offset });
    }
    metadata.btime = btime;
  }
  if (line.xattrs !== undefined) {
    metadata.xattrs = decodeXattrs(line.xattrs, (what) => {
      throw new DeltarError("corrupt", what, { object, offset });
    });
  }
  return metadata;
}

/**
 * Checks that a path sorts after the previous path.
 *
 * @param last The previous path; `undefined` for the first path.
 * @param path The path to check.
 * @param object The name of the file, for errors.
 * @param offset The offset of the line in the file, in bytes.
 * @throws {DeltarError} `corrupt`, with the offset of the line, if the path
 * does not sort after `last`.
 */
export function checkOrder(
  last: string | undefined,
  path: string,
  object: string,
  offset: number,
): void {
  if (last !== undefined && comparePaths(last, path) >= 0) {
    throw new DeltarError("corrupt", "the paths are not in order", {
      object,
      offset,
    });
  }
}

/**
 * Parses decimal seconds since 1970, as `formatTime` writes them. Returns
 * nanoseconds, or `undefined` if the text is not in this form.
 */
export function parseTime(text: string): bigint | undefined {
  const match = TIME.exec(text);
  if (match === null) return undefined;
  const [, sign, seconds, rest = ""] = match;
  const time = BigInt(seconds + rest.padEnd(9, "0"));
  return sign === "-" ? -time : time;
}
