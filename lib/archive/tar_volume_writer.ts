import { checkAborted } from "../bytes/abort.ts";
import { turnIfDue } from "../bytes/turns.ts";
import {
  atLeast,
  checkOptions,
  checkValue,
  countFrom,
  oneOf,
  signal,
  text,
} from "../bytes/check_options.ts";
import { codeOf, DeltarError, errorMessage } from "../bytes/errors.ts";
import { toHex } from "../bytes/hex.ts";
import { createSha256, sha256 } from "../bytes/sha256.ts";
import { type ByteSource, chunks } from "../bytes/source.ts";
import type { Storage } from "../storage/storage.ts";
import {
  type BaseEntry,
  type DeviceNumber,
  type Entry,
  type EntryKind,
  isFault,
  type Skipped,
} from "../tree/entry.ts";
import { checkPath, isWithin } from "../tree/path.ts";
import type { TreeSource } from "./tree_sink.ts";
import { withJson } from "../tree/to_json.ts";
import { codecFor, type CodecName } from "./codec.ts";
import type { ContentReference } from "./content_reference.ts";
import type { VolumeRecord } from "./object_writer.ts";
import { type IndexedMember, VolumeIndex } from "./volume_index.ts";
import { type OwnerFields, ownersIn } from "../tree/owner_fields.ts";
import { VolumeWriter } from "./volume_writer.ts";

const NOTHING = new Uint8Array(0);

/** Options for adding a tree to an archive. */
export interface AddTreeOptions {
  /**
   * The path of the only file or folder to add, with everything in it. Default:
   * the whole tree.
   */
  within?: string;
  /**
   * Called with each path of the tree that was skipped or excluded, or that
   * changed while it was read.
   */
  onSkip?: (skipped: Skipped) => void;
  /** The signal that aborts the work with an error of code `aborted`. */
  signal?: AbortSignal;
}

/** Options for writing an archive in volumes. */
export interface TarVolumeOptions {
  /** The compression. Default: `gzip`. */
  codec?: CodecName;
  /**
   * The maximum size of a volume in bytes, at least 4,096. A volume is larger
   * only if it holds a single member that is larger. Default: 64 MiB.
   */
  volumeSize?: number;
  /**
   * The maximum size of a frame before compression, in bytes, at least 1,024.
   * Default: 1.25 MiB.
   */
  frameSize?: number;
  /** The tree from which `add` reads a path that is passed without content. */
  tree?: TreeSource;
  /**
   * The signal that aborts the write. Volumes that were already stored are then
   * deleted, if the storage allows it.
   */
  signal?: AbortSignal;
}

/**
 * A member to add. A file needs only a `path`. A directory needs a `path` and a
 * `kind`.
 */
export interface NewMember extends Partial<BaseEntry>, OwnerFields {
  /** The path of the member in the archive, `/`-separated. */
  path: string;
  /** The kind of the member. Default: `file`. */
  kind?: EntryKind;
  /**
   * The target of a symlink, or the path of the file that a hard link points
   * to.
   */
  target?: string;
  /** The number of the device, if the member is a device. */
  device?: DeviceNumber;
}

/**
 * Writes the volumes of an archive. `close` writes the index.
 * `TarVolume.create` makes a writer.
 */
export class TarVolumeWriter {
  readonly #storage: Storage;
  readonly #key: string;
  readonly #codec: CodecName;
  readonly #volumes: VolumeWriter;
  readonly #tree: TreeSource | undefined;
  readonly #members = new Map<string, IndexedMember>();

  /**
   * Starts an archive. Nothing is stored before the first frame is full.
   *
   * @param storage The storage of the archive.
   * @param key The prefix of the object names of the archive.
   * @param options Options for writing.
   * @throws {TypeError} If an option is of the wrong type.
   * @throws {RangeError} If `volumeSize` is less than 4,096 or `frameSize` is
   *   less than 1,024.
   */
  constructor(
    storage: Storage,
    key: string,
    options: TarVolumeOptions = {},
  ) {
    checkOptions("TarVolume.create()", options, {
      codec: oneOf("gzip", "zstd"),
      volumeSize: atLeast(4096),
      frameSize: atLeast(1024),
      signal,
    });
    const { codec: name = "gzip", volumeSize = 64 * 1024 * 1024 } = options;
    const codec = codecFor(name);
    this.#storage = storage;
    this.#key = key;
    this.#codec = name;
    this.#tree = options.tree;
    this.#volumes = new VolumeWriter({
      storage,
      name: (n) => `${key}.vol${n}.${codec.extension}`,
      codec,
      volumeSize,
      frameSize: options.frameSize,
      signal: options.signal,
      evenIfEmpty: true,
    });
  }

  /**
   * Adds a member. Await the returned promise before you add the next member.
   *
   * @param member The path of the member, or its path and metadata. By default,
   *   the kind is `file`, the time, `uid` and `gid` are 0, and the mode is 0644
   *   for a file and 0755 for other kinds. The `size` can be omitted if the
   *   source is a `Uint8Array`. If the options of the archive have a `tree`, a
   *   path without a source is read from that tree, and a folder is added with
   *   everything in it.
   * @param source The content of a file. It can be omitted for other kinds, and
   *   for a file whose `size` is 0.
   * @throws {DeltarError} `unsafe` for an invalid path or hard link target,
   *   such as an absolute path or one that contains `..`; `exists` if the path
   *   has already been added; `changed` if the source has fewer bytes than
   *   `size`, and zeros were stored for the missing bytes, or if the source has
   *   more bytes, and only the first `size` bytes were stored; `not-found` if
   *   the `tree` has no such path; `io` if a part of the tree cannot be read or
   *   changes while it is read. More members can be added after any of these
   *   errors, but not after an error of the storage.
   * @throws {TypeError} If a file has no source, a symlink has no target, or a
   *   device has no number.
   * @throws {RangeError} If a stream has no `size`, or the length of a
   *   `Uint8Array` differs from `size`.
   */
  async add(member: NewMember | string, source?: ByteSource): Promise<void> {
    if (
      typeof member === "string" && source === undefined && this.#tree
    ) return await this.#addPath(this.#tree, member);
    const given = typeof member === "string" ? { path: member } : member;
    const content = source ?? NOTHING;
    const { path, kind = "file", target = "" } = given;
    checkValue("the path of a member", given.path, text);
    checkValue(`${given.path}: size`, given.size, countFrom(0));
    checkPath(given.path);
    const numbers = {
      mode: given.mode ?? (kind === "file" ? 0o644 : 0o755),
      mtime: given.mtime ?? 0n,
      uid: given.uid ?? 0,
      gid: given.gid ?? 0,
      size: given.size ??
        (content instanceof Uint8Array ? content.length : NaN),
    };
    const { xattrs } = given;
    const common = { ...numbers, ...ownersIn(given), ...xattrs && { xattrs } };
    const entry = withJson<Entry & OwnerFields>(
      kind === "symlink" || kind === "hardlink"
        ? { path, kind, ...common, target }
        : kind === "block" || kind === "character"
        ? { path, kind, ...common, device: numberOf(given) }
        : { path, kind, ...common },
    );
    if (kind === "hardlink") checkPath(target);
    if (this.#members.has(path)) {
      throw new DeltarError(
        "exists",
        "the archive already contains a member with this path",
        {
          path,
        },
      );
    }
    if (kind === "file") checkSource(given, source);
    if (content instanceof Uint8Array) {
      const reference = this.#volumes.add(entry, content);
      this.#keep(entry, reference, () => sha256(content));
    } else {
      await this.#addStream(entry, content);
    }
    await this.#volumes.ready();
  }

  /**
   * Adds a tree, or a part of it. A file that cannot be read is reported and
   * skipped. If reading a large file fails in the middle, the rest of the file
   * is zeros in the volumes, and the index does not list the file. A file whose
   * size changes while it is read is reported, and its content is cut, or
   * extended with zeros, to the size that the tree reported.
   *
   * @param tree The tree, such as a `Dir`.
   * @param options The part to add, the signal, and a callback for paths that
   *   were skipped or excluded or that changed.
   * @throws {DeltarError} `exists` if a path of the tree has already been
   *   added, and the errors of walking the tree and of the storage.
   */
  async addTree(tree: TreeSource, options: AddTreeOptions = {}): Promise<void> {
    const { within = "", onSkip, signal } = options;
    const lost = new Set<string>();
    for await (const entry of tree.walk({ onSkip, xattrs: true, signal })) {
      const turn = turnIfDue();
      if (turn !== undefined) await turn;
      checkAborted(signal);
      if (within !== "" && !isWithin(entry.path, within)) continue;
      const { kind, target } = entry;
      if (kind === "hardlink" && lost.has(target)) {
        const detail = `hard link to a file that was skipped: ${target}`;
        onSkip?.({ path: entry.path, reason: "unreadable", detail });
        continue;
      }
      const skipped = await addEntry(this, tree, entry);
      if (skipped === undefined) continue;
      if (skipped.reason !== "changed") lost.add(entry.path);
      onSkip?.(skipped);
    }
  }

  /**
   * Ends the archive and stores its index.
   *
   * @returns The stored index.
   * @throws The error of the storage, or the reason if the write was aborted.
   *   Before the error is thrown, the incomplete archive is deleted, if the
   *   storage allows it.
   */
  async close(): Promise<VolumeIndex> {
    let volumes: VolumeRecord[] = [];
    try {
      volumes = await this.#volumes.close();
      const folder = folderOf(this.#key);
      const bare = (name: string) => name.slice(folder.length);
      const members = [...this.#members.values()];
      for (const member of members) {
        if (member.kind !== "file") continue;
        const { volume, offset, length, skip } = member.content;
        member.content = { volume: bare(volume), offset, length, skip };
      }
      const index = new VolumeIndex(
        this.#codec,
        volumes.map((record) => ({ ...record, name: bare(record.name) })),
        members,
      );
      await this.#storage.put(indexName(this.#key), index.pieces(), {
        ifAbsent: true,
      });
      return index;
    } catch (error) {
      await this.abort(error);
      for (const { name } of volumes) {
        await this.#storage.delete(name).catch(() => {});
      }
      throw error;
    }
  }

  /**
   * Aborts the write. Volumes that were already stored are deleted if the
   * storage allows it. After `close` has resolved, `abort` has no effect.
   *
   * @param reason The error that later calls throw. Default: an error of code
   *   `aborted`.
   */
  abort(reason?: unknown): Promise<void> {
    return this.#volumes.abort(reason);
  }

  async #addPath(tree: TreeSource, path: string): Promise<void> {
    checkPath(path);
    const before = this.#members.size;
    await this.addTree(tree, {
      within: path,
      onSkip(skipped) {
        const { path: at, reason, detail } = skipped;
        if (!isFault(skipped) || !isWithin(at, path)) return;
        throw new DeltarError("io", detail ?? reason, { path: at });
      },
    });
    if (this.#members.size > before) return;
    throw new DeltarError("not-found", "the tree has no such path", { path });
  }

  /**
   * Records a member for the index. A file is recorded with its checksum and
   * the position of its content.
   */
  #keep(
    entry: Entry,
    content: ContentReference,
    sum: () => Uint8Array,
  ): void {
    const member = entry.kind === "file"
      ? Object.assign(entry, { sha256: toHex(sum()), content })
      : entry;
    this.#members.set(member.path, member);
  }

  async #addStream(member: Entry, source: ByteSource): Promise<void> {
    const sum = createSha256();
    const { path, size } = member;
    const pieces = chunks(source);
    let isLonger = false;
    const summed = async function* () {
      for (let left = size; left > 0;) {
        const { done, value } = await pieces.next();
        if (done) return;
        isLonger ||= value.length > left;
        const part = value.subarray(0, left);
        sum.update(part);
        left -= part.length;
        yield part;
      }
    };
    const { reference, written } = await this.#volumes
      .addStream(member, summed())
      .then(async (added) => {
        isLonger ||= added.written === size && await hasMore(pieces);
        return added;
      })
      .finally(() => pieces.return(undefined));
    for (let left = size - written; left > 0; left -= 65536) {
      sum.update(new Uint8Array(Math.min(left, 65536)));
    }
    this.#keep(member, reference, () => sum.digest());
    if (written < size || isLonger) {
      throw new DeltarError(
        "changed",
        isLonger
          ? `the source has more than ${size} bytes; the rest was not stored`
          : `the source ended after ${written} of ${size} bytes; the rest was stored as zeros`,
        { path },
      );
    }
  }
}

function numberOf({ path, device }: NewMember): DeviceNumber {
  if (device !== undefined) return { ...device };
  throw new TypeError(`${path}: no device; pass the number of the device`);
}

/** Throws an error if a file has no source or a stream has no size. */
function checkSource(
  { path, size }: NewMember,
  source: ByteSource | undefined,
): void {
  if (source === undefined && size !== 0) {
    throw new TypeError(`${path}: no source; pass the content of the file`);
  }
  const isStream = source !== undefined && !(source instanceof Uint8Array);
  if (isStream && size === undefined) {
    throw new RangeError(
      `${path}: no size; pass the length of the stream in bytes`,
    );
  }
}

/** Returns whether a source has bytes that have not been pulled yet. */
async function hasMore(pieces: AsyncIterator<Uint8Array>): Promise<boolean> {
  while (true) {
    const { done, value } = await pieces.next();
    if (done) return false;
    if (value.length > 0) return true;
  }
}

/** Returns the part of a key up to and including its last slash. */
export function folderOf(key: string): string {
  return key.slice(0, key.lastIndexOf("/") + 1);
}

/** Returns the object name of an archive's index. */
export function indexName(key: string): string {
  return `${key}.index.ndjson`;
}

/**
 * Adds an entry to an archive.
 *
 * @returns The path and the reason if the content cannot be read or its length
 *   differs from `entry.size`, otherwise `undefined`.
 * @throws The error of `add`, if the error has another cause.
 */
async function addEntry(
  writer: TarVolumeWriter,
  tree: TreeSource,
  entry: Entry,
): Promise<Skipped | undefined> {
  let fault: { cause: unknown } | undefined;
  const guarded = async function* (): AsyncGenerator<Uint8Array> {
    try {
      yield* chunks(tree.open(entry.path));
    } catch (cause) {
      fault = { cause };
      throw cause;
    }
  };
  try {
    const source: ByteSource | undefined = entry.kind === "file"
      ? guarded()
      : undefined;
    await writer.add({ ...entry, ...tree.ownersOf?.(entry) }, source);
    return undefined;
  } catch (error) {
    if (fault !== undefined) return explain(entry.path, fault.cause);
    if (error instanceof DeltarError && error.code === "changed") {
      return { path: entry.path, reason: "changed", detail: error.message };
    }
    throw error;
  }
}

function explain(path: string, cause: unknown): Skipped {
  const code = codeOf(cause);
  const gone = code === "ENOENT" || code === "not-found";
  return {
    path,
    reason: gone ? "vanished" : "unreadable",
    detail: errorMessage(cause),
  };
}
