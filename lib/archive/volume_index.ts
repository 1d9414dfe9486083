import { DeltarError } from "../bytes/errors.ts";
import { concat } from "../bytes/source.ts";
import { atOnce } from "../bytes/turns.ts";
import {
  decodeEntry,
  encodeEntry,
  type HashedFileEntry,
  LATER_VERSION,
  versionOf,
} from "../tree/entry_line.ts";
import { isCount } from "../bytes/is_count.ts";
import { decodeLines, type Line, linePieces } from "../bytes/listing.ts";
import type { NonFileEntry } from "../tree/entry.ts";
import { toJson } from "../tree/to_json.ts";
import type { CodecName } from "./codec.ts";
import type { ContentReference } from "./content_reference.ts";
import { type OwnerFields, ownersIn } from "../tree/owner_fields.ts";
import type { VolumeRecord } from "./object_writer.ts";

const FORMAT = "deltar-volume-index";
const HASH = /^[0-9a-f]{64}$/;

/** A file in an archive, as the index records it. */
export interface IndexedFile extends HashedFileEntry {
  /**
   * The position of the content. Its `volume` is the name of one of the index's
   * `volumes`.
   */
  content: ContentReference;
}

/** A member of an archive, as the index records it. */
export type IndexedMember = (IndexedFile | NonFileEntry) & OwnerFields;

/**
 * The index of an archive: its members, and the positions of the files in the
 * volumes. With the index, a file can be read as one byte range and checked
 * against its SHA-256. The archive can also be read without the index.
 */
export class VolumeIndex {
  /** The compression of the volumes. */
  readonly codec: CodecName;
  /**
   * The volumes in the order in which they were written. Each name is a file
   * name, not a path.
   */
  readonly volumes: readonly VolumeRecord[];
  /** The members in the order in which they were added. */
  readonly members: readonly IndexedMember[];
  #byPath: Map<string, IndexedMember> | undefined;

  /**
   * Makes an index.
   *
   * @param codec The compression of the volumes.
   * @param volumes The volumes in the order in which they were written.
   * @param members The members in the order in which they were added.
   */
  constructor(
    codec: CodecName,
    volumes: readonly VolumeRecord[],
    members: readonly IndexedMember[],
  ) {
    this.codec = codec;
    this.volumes = volumes;
    this.members = members;
  }

  /**
   * Returns the member at a path, or `undefined` if there is none.
   *
   * @param path The path of the member in the archive.
   */
  get(path: string): IndexedMember | undefined {
    this.#byPath ??= new Map(this.members.map((one) => [one.path, one]));
    return this.#byPath.get(path);
  }

  /** Returns the index as a value for `JSON.stringify`; see `toJson`. */
  toJSON(): unknown {
    const { codec, volumes, members } = this;
    return toJson({ codec, volumes, members });
  }

  /** Returns the index as the bytes of its file; see docs/FORMAT.md. */
  encode(): Uint8Array {
    return concat([...this.pieces()]);
  }

  /**
   * Yields the bytes that `encode` returns, in chunks of at least 64 KiB. The
   * last chunk can be smaller.
   */
  pieces(): Generator<Uint8Array> {
    const { codec, volumes, members } = this;
    const header = { codec, volumes, members: members.length };
    return linePieces(FORMAT, versionOf(members), header, this.#lines());
  }

  /**
   * Decodes the bytes of an index file, which can come from an untrusted
   * source.
   *
   * @param bytes The whole file.
   * @param object The name of the file, for messages.
   * @throws {DeltarError} `corrupt`, `truncated` or `unsafe` if the file is
   *   invalid, `limit` if its first line has too many JSON objects or arrays,
   *   `unsupported` if its version or codec is unknown.
   */
  static decode(bytes: Uint8Array, object = "index"): VolumeIndex {
    return atOnce(decodeIndexSteps(bytes, object));
  }

  *#lines(): Generator<Line> {
    const numbers = new Map(this.volumes.map(({ name }, n) => [name, n]));
    for (const member of this.members) {
      const line = Object.assign(encodeEntry(member), ownersIn(member));
      if (member.content !== undefined) {
        const { volume, offset, length, skip } = member.content;
        line.content = { volume: numbers.get(volume), offset, length, skip };
      }
      yield line;
    }
  }
}

/**
 * Decodes the bytes of an index file, as `VolumeIndex.decode` does, and yields
 * after each member, so that the caller can pause there.
 *
 * @returns The index.
 */
export function* decodeIndexSteps(
  bytes: Uint8Array,
  object: string,
): Generator<void, VolumeIndex> {
  const { header, lines } = decodeLines(
    bytes,
    FORMAT,
    LATER_VERSION,
    object,
  );
  const { codec, volumes } = header;
  if (codec !== "gzip" && codec !== "zstd") {
    throw new DeltarError(
      "unsupported",
      "the codec of the volumes is neither gzip nor zstd; use a newer deltar",
      {
        object,
      },
    );
  }
  if (!Array.isArray(volumes) || !volumes.every(isRecord)) {
    throw new DeltarError(
      "corrupt",
      "invalid list of volumes in the first line",
      {
        object,
      },
    );
  }
  const members: IndexedMember[] = [];
  for (const [line, offset] of lines) {
    const entry = decodeEntry(line, object, offset);
    members.push(
      entry.kind === "file"
        ? Object.assign(entry, ownersIn(line), {
          content: decodeContent(line.content, volumes, object, offset),
        })
        : Object.assign(entry, ownersIn(line)),
    );
    yield;
  }
  if (members.length !== header.members) {
    throw new DeltarError(
      "corrupt",
      "the number of members differs from the number in the first line",
      {
        object,
      },
    );
  }
  return new VolumeIndex(codec, volumes, members);
}

function isRecord(value: unknown): value is VolumeRecord {
  const { name, size, sha256 } = (value ?? {}) as Record<string, unknown>;
  return typeof name === "string" && name !== "" && !name.includes("/") &&
    isCount(size) && typeof sha256 === "string" && HASH.test(sha256);
}

function decodeContent(
  value: unknown,
  volumes: VolumeRecord[],
  object: string,
  at: number,
): ContentReference {
  const { volume, offset, length, skip } = (value ?? {}) as Line;
  if (
    isCount(volume) && isCount(offset) && isCount(length) && isCount(skip) &&
    volume < volumes.length && offset + length <= volumes[volume].size
  ) {
    return { volume: volumes[volume].name, offset, length, skip };
  }
  throw new DeltarError(
    "corrupt",
    "the content reference of a member is invalid or not inside a volume",
    {
      object,
      offset: at,
    },
  );
}
