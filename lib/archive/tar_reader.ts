import { DeltarError } from "../bytes/errors.ts";
import {
  checkRanges,
  dataOf,
  type PlacedBytes,
  readMap,
  SparseSource,
} from "../tree/sparse.ts";
import { withJson } from "../tree/to_json.ts";
import { ByteReader } from "../bytes/byte_reader.ts";
import {
  decodePax,
  DEVICE,
  parseTime,
  type PaxRecords,
  SPARSE,
} from "./pax.ts";
import { fromBase64 } from "../bytes/base64.ts";
import { ownersIn } from "../tree/owner_fields.ts";
import { decodeName } from "../tree/raw_name.ts";
import {
  refuseGlobal,
  type SparseMember,
  sparseOfHeader,
  sparseOfPax,
} from "./tar_sparse.ts";
import { ACCESS_ACL } from "../tree/xattrs.ts";
import { hasXattrRecords, xattrsIn } from "./pax_xattrs.ts";
import { modeWithAcl } from "./posix_acl.ts";
import { decodeHeader, refuseParts, type TarHeader } from "./tar_decode.ts";
import {
  BLOCK,
  type MemberKind,
  padding,
  type TarMember,
} from "./tar_member.ts";

/**
 * The key of the record with a sparse member's path. This path is used instead
 * of the path in the record `path`.
 */
const SPARSE_NAME = `${SPARSE}name`;

/** The maximum size of an extended header or long name, in bytes. */
const MAX_EXTENDED_BYTES = 1024 * 1024;

const KINDS: Record<string, MemberKind> = {
  "0": "file",
  "7": "file",
  "S": "file",
  "1": "hardlink",
  "2": "symlink",
  "3": "character",
  "4": "block",
  "5": "directory",
  "6": "fifo",
};
/**
 * The types of members that have no content, whatever their size field
 * contains.
 */
const WITHOUT_CONTENT = "123456";

/** A member of a tar, with its content. */
export interface TarEntry {
  /** The path, kind and metadata of the member. */
  member: TarMember;
  /**
   * The offset of the member's first header in the uncompressed tar, in bytes.
   * Extended headers precede the header of the member itself.
   */
  offset: number;
  /** The content, which can be read until the next entry is requested. */
  body: AsyncIterable<Uint8Array>;
}

/**
 * Yields the members of an uncompressed tar in order. The formats pax, ustar,
 * GNU and v7 are supported.
 *
 * @param source The bytes of the tar. The bytes are pulled while members and
 *   their contents are read.
 * @param options Options for reading; `object` is the name of the archive, for
 *   messages.
 * @throws {DeltarError} `truncated` if the source ends before the archive does;
 *   `corrupt` if a header or the ranges of a sparse member are invalid, or if
 *   bytes other than zeros follow the end of the archive; `limit` if a name or
 *   extended header is larger than 1 MiB, or if a sparse member has too many
 *   ranges; `unsupported` for a part of a member in a GNU multi-volume archive,
 *   for a sparse member in an unknown format, and for a global header with
 *   records for sparse members.
 */
export async function* readTar(
  source: AsyncIterable<Uint8Array>,
  options: { object?: string } = {},
): AsyncGenerator<TarEntry> {
  const reader = new ByteReader(source, options);
  const globals: PaxRecords = new Map();
  try {
    while (true) {
      const entry = await nextEntry(reader, globals);
      if (entry === undefined) break;
      const { member, offset, stored, sparse } = entry;
      const body = new Body(reader, stored);
      if (sparse === undefined) yield { member, offset, body };
      else {
        const data = { [Symbol.asyncIterator]: () => body.placed(sparse) };
        yield { member, offset, body: new SparseSource(data, member.size) };
      }
      await body.skip();
    }
    await checkEnd(reader);
  } finally {
    await reader.cancel();
  }
}

/**
 * The content of a member. Its bytes are read from the reader of the archive.
 */
class Body implements AsyncIterable<Uint8Array> {
  readonly #reader: ByteReader;
  readonly #size: number;
  #left: number;
  #over = false;

  constructor(reader: ByteReader, size: number) {
    this.#reader = reader;
    this.#size = size;
    this.#left = size;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    if (this.#over) {
      throw new TypeError(
        "the content of a tar entry cannot be read after the next entry has been requested",
      );
    }
    for (let part; (part = await this.#next()) !== undefined;) yield part;
  }

  /**
   * Yields the data of a sparse member, with the positions of the data in the
   * file.
   */
  async *placed(sparse: SparseMember): AsyncGenerator<PlacedBytes> {
    const { object, offset } = this.#reader;
    const reader = new ByteReader(this, { object, offset });
    const ranges = sparse.ranges ?? await readMap(reader);
    const left = this.#size - (reader.offset - offset);
    checkRanges(ranges, sparse.fileSize, left, reader);
    yield* dataOf(reader, ranges);
  }

  /** Skips the rest of the content and the padding. */
  async skip(): Promise<void> {
    this.#over = true;
    while (this.#left > 0) await this.#next();
    const zeros = padding(this.#size);
    if (zeros > 0) await this.#reader.exactly(zeros, "a tar member's padding");
  }

  async #next(): Promise<Uint8Array | undefined> {
    if (this.#left === 0) return undefined;
    const part = await this.#reader.some(this.#left);
    if (part === undefined) throw this.#reader.truncated("a tar member");
    this.#left -= part.length;
    return part;
  }
}

/** A member, and the values that are needed to read its content. */
interface FoundMember {
  member: TarMember;
  /** The offset of the member's first header in the tar, in bytes. */
  offset: number;
  /** The length of the member's content in the archive, in bytes. */
  stored: number;
  /** The size and ranges of a sparse member. Absent for other members. */
  sparse?: SparseMember;
}

/**
 * Returns the next member, with the values of the extended headers before it,
 * or `undefined` at the end of the tar.
 */
async function nextEntry(
  reader: ByteReader,
  globals: PaxRecords,
): Promise<FoundMember | undefined> {
  let records: PaxRecords | undefined;
  let longName: string | undefined;
  let longLink: string | undefined;
  const offset = reader.offset;
  while (true) {
    const block = reader.now(BLOCK) ??
      await reader.exactly(BLOCK, "a tar header");
    const header = decodeHeader(block, reader);
    if (header === undefined) {
      if (records ?? longName ?? longLink) {
        throw reader.corrupt("extended tar header without a member", offset);
      }
      return undefined;
    }
    switch (header.type) {
      case "x":
      case "X":
        records = new Map();
        decodePax(await extended(reader, header), records, reader);
        continue;
      case "g":
        decodePax(await extended(reader, header), globals, reader);
        refuseGlobal(globals, reader);
        continue;
      case "L":
        longName = longText(await extended(reader, header));
        continue;
      case "K":
        longLink = longText(await extended(reader, header));
        continue;
      case "M":
        return refuseParts(reader, longName ?? header.name);
    }
    let sparse = header.type === "S"
      ? await sparseOfHeader(block, reader)
      : undefined;
    if (longName !== undefined) header.name = longName;
    if (longLink !== undefined) header.link = longLink;
    applyPax(header, globals, reader);
    if (records !== undefined) {
      applyPax(header, records, reader);
      sparse ??= sparseOfPax(records, reader);
    }
    const member = toMember(header, reader);
    const isOwn = member.kind !== "hardlink";
    const xattrs = isOwn && records !== undefined && hasXattrRecords(records)
      ? await xattrsIn(records)
      : undefined;
    if (xattrs !== undefined) {
      member.xattrs = xattrs;
      const acl = xattrs[ACCESS_ACL];
      if (acl !== undefined) {
        member.mode = modeWithAcl(member.mode, fromBase64(acl));
      }
    }
    const stored = member.size;
    if (sparse === undefined || member.kind !== "file") {
      return { member, offset, stored };
    }
    member.size = sparse.fileSize;
    return { member, offset, stored, sparse };
  }
}

/**
 * Reads the body of an extended header.
 *
 * @throws {DeltarError} `limit` if the body is larger than 1 MiB, `truncated`
 *   if the source ends inside it.
 */
async function extended(
  reader: ByteReader,
  header: TarHeader,
): Promise<Uint8Array> {
  if (header.size > MAX_EXTENDED_BYTES) {
    throw new DeltarError(
      "limit",
      `extended tar header too large: ${header.size} bytes, at most ${MAX_EXTENDED_BYTES}`,
      { object: reader.object, offset: reader.offset - BLOCK },
    );
  }
  const body = await reader.exactly(header.size, "an extended tar header");
  await reader.exactly(padding(header.size), "an extended tar header");
  return body;
}

function longText(body: Uint8Array): string {
  const end = body.indexOf(0);
  return decodeName(end < 0 ? body : body.subarray(0, end));
}

/** Replaces the fields of a header with the values of an extended header. */
function applyPax(
  header: TarHeader,
  records: PaxRecords,
  reader: ByteReader,
): void {
  for (const [key, value] of records) {
    // Extended attributes and ACLs, whose values are bytes, are not fields of
    // the header.
    if (typeof value !== "string") continue;
    if (key === "path" && !records.has(SPARSE_NAME)) header.name = value;
    else if (key === SPARSE_NAME) header.name = value;
    else if (key === "linkpath") header.link = value;
    else if (key === "uname" || key === "gname") header[key] = value;
    else if (key === "size" || key === "uid" || key === "gid") {
      header[key] = numberOf(key, value, reader);
    } else if (key === DEVICE.major) {
      header.device.major = numberOf(key, value, reader);
    } else if (key === DEVICE.minor) {
      header.device.minor = numberOf(key, value, reader);
    } else if (key === "mtime") {
      const time = parseTime(value);
      if (time === undefined) {
        throw reader.corrupt("invalid mtime in a pax header");
      }
      header.mtime = time;
    }
  }
}

function numberOf(key: string, value: string, reader: ByteReader): number {
  const number = /^\d{1,16}$/.test(value) ? Number(value) : NaN;
  if (Number.isSafeInteger(number)) return number;
  throw reader.corrupt(`invalid ${key} in a pax header`);
}

function toMember(header: TarHeader, reader: ByteReader): TarMember {
  let kind = KINDS[header.type] ?? "other";
  // Before ustar, a directory was a file whose name ended in a slash.
  if (kind === "file" && header.name.endsWith("/")) kind = "directory";
  let end = header.name.length;
  while (end > 1 && header.name[end - 1] === "/") end--;
  const path = header.name.slice(0, end);
  if (path === "") throw reader.corrupt("tar member without a name");
  if (path.includes("\0") || header.link.includes("\0")) {
    throw reader.corrupt("NUL in the name or link target of a tar member");
  }
  const empty = WITHOUT_CONTENT.includes(header.type) || kind === "directory";
  const fields = {
    path,
    size: empty ? 0 : header.size,
    mode: header.mode,
    mtime: header.mtime,
    uid: header.uid,
    gid: header.gid,
    ...ownersIn(header),
  };
  return withJson<TarMember>(
    kind === "symlink" || kind === "hardlink"
      ? { ...fields, kind, target: header.link }
      : kind === "block" || kind === "character"
      ? { ...fields, kind, device: header.device }
      : { ...fields, kind },
  );
}

/**
 * Checks that a second block of zeros follows, and that all further bytes are
 * zeros.
 */
async function checkEnd(reader: ByteReader): Promise<void> {
  const block = await reader.exactly(BLOCK, "the end marker of a tar");
  let rest: Uint8Array | undefined = block;
  while (rest !== undefined) {
    const at = rest.findIndex((byte) => byte !== 0);
    if (at >= 0) {
      throw reader.corrupt(
        "bytes other than zeros after the end of the tar",
        reader.offset - rest.length + at,
      );
    }
    rest = await reader.some(65536);
  }
}
