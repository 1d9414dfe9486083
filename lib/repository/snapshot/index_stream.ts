import type { PackedFacts } from "../../archive/data_packer.ts";
import { checkAborted } from "../../bytes/abort.ts";
import { DeltarError } from "../../bytes/errors.ts";
import { isCount } from "../../bytes/is_count.ts";
import { inTurns, turnIfDue } from "../../bytes/turns.ts";
import { STAGE_PREFIX } from "../../storage/temporary.ts";
import { deviceOf } from "../../tree/change_finder.ts";
import type { IndexEntry } from "../../tree/dir_index.ts";
import type { EntryIndex } from "../../tree/entry_index.ts";
import {
  canHaveLinks,
  type Entry,
  isSpecial,
  type Metadata,
  type Skipped,
} from "../../tree/entry.ts";
import type { HashedEntry } from "../../tree/entry_line.ts";
import { EntryList } from "../../tree/entry_list.ts";
import type { IndexedTree, IndexProgress } from "../../tree/index_tree.ts";
import { MAX_OWNERS, type OwnerNames } from "../../tree/owner_names.ts";
import { type OwnerFields, ownersIn } from "../../tree/owner_fields.ts";
import {
  checkPath,
  comparePaths,
  isTooLong,
  nameOf,
  parentPath,
} from "../../tree/path.ts";
import { encodeName } from "../../tree/raw_name.ts";
import { MAX_WHOLE_BYTES } from "../../tree/read_file.ts";
import { readStreamed } from "../../tree/read_streamed.ts";
import { StateWriter } from "../../tree/state_writer.ts";
import { entryStatx } from "../../tree/statx.ts";
import type { StreamedEntry } from "../../tree/streamed_entry.ts";
import {
  makeDirectory,
  makeFile,
  makeLink,
  makeSpecial,
  withJson,
} from "../../tree/to_json.ts";
import { decodeXattrs } from "../../tree/xattrs.ts";
import { PackedEntries } from "./packed_entries.ts";
import { pathOrder } from "./path_order.ts";
import type { RepositoryReader } from "./repository_reader.ts";
import type { SnapshotEntries } from "./snapshot_entries.ts";

/** Options for indexing a stream. */
export interface StreamIndexOptions {
  /** The index of the parent. */
  previous: EntryIndex;
  /**
   * Called with each path that is skipped, and with each path that is stored
   * without its extended attributes, because they are invalid or too large. No
   * path of a stream is excluded.
   */
  onSkip?: (skipped: Skipped) => void;
  /**
   * Called with the progress after each entry, and while a file of more than
   * 1 MiB is read.
   */
  onProgress?: (progress: IndexProgress) => void;
  /** The signal that ends the work with an error of code `aborted`. */
  signal?: AbortSignal;
}

/** The result of indexing a stream, except for the entries. */
export interface IndexedStream extends IndexedTree {
  /** The names of the owners and groups; `undefined` if none has a name. */
  owners: OwnerNames | undefined;
}

/** The mode of a folder for which the stream has no entry. */
const FOLDER_MODE = 0o755;
/**
 * The maximum numeric id of an owner or group, and the maximum major and minor
 * number of a device.
 */
const MAX_ID = 2 ** 32 - 1;
/**
 * The earliest time, in nanoseconds since 1970, for which the number of seconds
 * does not fit into a signed integer of 64 bits.
 */
const END_OF_TIME_NS = 2n ** 63n * 1_000_000_000n;

/**
 * An index of the entries of a stream, such as a tar archive. The entries
 * arrive in any order. The content of each file is stored when the file
 * arrives. Finally, `finish` passes the entries in path order to a sink, and
 *
 * - omits entries that a later entry with the same path replaced;
 * - represents a file with several names as its first name in path order and
 *   hard links to that name;
 * - adds folders for which the stream has no entry.
 */
export class StreamIndex extends PackedEntries {
  readonly #states: StateWriter;
  readonly #reader: RepositoryReader;
  readonly #options: StreamIndexOptions;
  readonly #skipped: Skipped[] = [];
  readonly #owners: OwnerNames = { users: {}, groups: {} };
  readonly #named = { users: 0, groups: 0 };
  /** The paths of the files that might have a stored signature. */
  readonly #large = new Set<string>();
  /** The numbers of the entries that are hard links. */
  readonly #links: number[] = [];
  readonly #buffer = new Uint8Array(MAX_WHOLE_BYTES);
  #root: Metadata | undefined;
  #bytes = 0;

  /**
   * Creates an empty index.
   *
   * @param reader The reader of the files, which also stores their contents.
   * @param options The index of the parent, callbacks and the signal.
   */
  constructor(reader: RepositoryReader, options: StreamIndexOptions) {
    const states = new StateWriter();
    states.begin();
    super(new EntryList(states, true));
    this.#states = states;
    this.#reader = reader;
    this.#options = options;
  }

  /**
   * Reads a stream to its end.
   *
   * @throws {DeltarError} `unsafe` if a path is invalid, or if the root is not
   * a directory or has invalid metadata; `aborted` if the signal fired; the
   * errors of the stream and the reader.
   */
  async read(stream: AsyncIterable<StreamedEntry>): Promise<void> {
    const { onProgress, signal } = this.#options;
    checkAborted(signal);
    for await (const one of stream) {
      const turn = turnIfDue();
      if (turn !== undefined) await turn;
      checkAborted(signal);
      const { path } = one.member;
      await this.#take(one);
      onProgress?.({
        entries: this.list.length,
        bytes: this.#bytes,
        read: this.#bytes,
        path,
      });
    }
  }

  async #take({ member: found, body }: StreamedEntry): Promise<void> {
    const member = this.#withValidXattrs(found);
    const { path, kind } = member;
    const fault = faultOf(member);
    if (path === "") {
      const detail = kind === "directory" ? fault : "not a directory";
      if (detail !== undefined) {
        throw new DeltarError(
          "unsafe",
          `the root of the stream is invalid: ${detail}`,
        );
      }
      this.#root = metadataOf(member);
      this.#name(member);
      return;
    }
    checkPath(path);
    if (path.split("/").some((name) => name.startsWith(STAGE_PREFIX))) {
      const detail = "the name is reserved for deltar's temporary files";
      return this.#skip({ path, reason: "name", detail });
    }
    if (fault !== undefined) {
      return this.#skip({ path, reason: "unreadable", detail: fault });
    }
    if (kind === "other") {
      const detail = "the entry has an unknown kind";
      return this.#skip({ path, reason: "special", detail });
    }
    this.#name(member);
    if (kind === "file") return await this.#takeFile(member, body);
    if (kind === "hardlink") this.#links.push(this.list.length);
    this.#add(
      member.kind === "directory"
        ? makeDirectory(path, metadataOf(member))
        : isSpecial(member)
        ? makeSpecial(path, member.kind, metadataOf(member), deviceOf(member))
        : makeLink(path, member.kind, metadataOf(member), member.target),
    );
  }

  async #takeFile(
    member: Entry,
    body: AsyncIterable<Uint8Array> = NO_CONTENT,
  ): Promise<void> {
    const { path } = member;
    const { previous, onProgress, signal } = this.#options;
    const file = {
      path,
      kind: "file" as const,
      ...metadataOf(member),
      size: 0,
    };
    const old = previous.get(path);
    const { signatures } = this.#reader;
    const facts = await readStreamed(
      file,
      body,
      old?.kind === "file" ? old : undefined,
      this.#reader,
      {
        buffer: this.#buffer,
        onRead: (read) => {
          const bytes = this.#bytes + read;
          const entries = this.list.length;
          onProgress?.({ entries, bytes, read: bytes, path });
        },
        signal,
      },
    );
    // The signature under this path can be that of an earlier file with the
    // same path, so it is discarded.
    if (this.#large.has(path)) signatures.delete(path);
    else if (facts.size > MAX_WHOLE_BYTES) this.#large.add(path);
    this.#bytes += facts.size;
    const { size, sha256, sparse } = facts;
    this.#add(makeFile(path, file, size, sha256, sparse), facts);
    await this.#reader.ready();
  }

  #add(entry: HashedEntry, facts?: PackedFacts): void {
    const place = addState(this.#states, entry.path, entry);
    this.add(entry, place, false, facts);
  }

  /**
   * Returns an entry, without its extended attributes if they are invalid or
   * too large.
   */
  #withValidXattrs(
    member: StreamedEntry["member"],
  ): StreamedEntry["member"] {
    const { xattrs, path } = member;
    if (xattrs === undefined) return member;
    try {
      decodeXattrs(xattrs, (what) => {
        throw new DeltarError("limit", what, { path });
      });
      return member;
    } catch (error) {
      if (!(error instanceof DeltarError)) throw error;
      const detail = "the extended attributes are invalid or too large";
      this.#skip({ path, reason: "changed", detail });
      return { ...member, xattrs: undefined };
    }
  }

  #skip(skipped: Skipped): void {
    this.#skipped.push(skipped);
    this.#options.onSkip?.(skipped);
  }

  /** Records the names of the owner and group of an entry. */
  #name(member: Metadata & OwnerFields): void {
    const { uid, gid } = member;
    const { uname, gname } = ownersIn(member);
    for (
      const [kind, id, name] of [
        ["users", uid, uname],
        ["groups", gid, gname],
      ] as const
    ) {
      const names = this.#owners[kind];
      if (name === undefined || names[id] !== undefined) continue;
      if (this.#named[kind]++ < MAX_OWNERS) names[id] = name;
    }
  }

  /**
   * Passes the entries to a sink in path order.
   *
   * @param sink The sink of the entries.
   * @param states The writer of the states of the entries.
   * @param root The metadata of the root. Used if the stream has no entry for
   * the root.
   * @throws {DeltarError} `unsafe` if the path of an entry is below a path that
   * is not a directory; `aborted` if the signal fired.
   */
  async finish(
    sink: SnapshotEntries,
    states: StateWriter,
    root: Metadata,
  ): Promise<IndexedStream> {
    const { signal } = this.#options;
    const order = await inTurns(pathOrder(this.list), signal);
    const firsts = await inTurns(this.#firstNames(order), signal);
    states.begin();
    const add = (entry: IndexEntry, facts?: PackedFacts) => {
      const place = addState(states, nameOf(entry.path), entry);
      sink.add(entry, place, false, facts);
    };
    /** The folders that contain the previous entry, outermost first. */
    const folders: string[] = [];
    let last = "";
    for (const [at, number] of order.entries()) {
      const turn = turnIfDue();
      if (turn !== undefined) {
        await turn;
        checkAborted(signal);
      }
      if (!this.#isLive(order, at)) continue;
      const found = this.#entryAt(number, firsts);
      if (found === undefined) continue;
      const { entry, facts } = found;
      for (const folder of missingFolders(folders, entry.path)) {
        if (folder === last) throw notFolder(folder, entry.path);
        const { mtime, uid, gid } = entry;
        add(makeDirectory(folder, { mode: FOLDER_MODE, mtime, uid, gid }));
        folders.push(folder);
      }
      if (entry.kind === "directory") folders.push(entry.path);
      add(entry, facts instanceof Promise ? await facts : facts);
      last = entry.path;
    }
    const { users, groups } = this.#owners;
    const hasNames = Object.keys({ ...users, ...groups }).length > 0;
    return {
      root: withJson(this.#root ?? root),
      skipped: this.#skipped,
      owners: hasNames ? this.#owners : undefined,
    };
  }

  /**
   * Returns whether the entry at a position in `order` is the last one with its
   * path.
   */
  #isLive(order: Uint32Array, at: number): boolean {
    return at + 1 === order.length ||
      this.list.path(order[at]) !== this.list.path(order[at + 1]);
  }

  /**
   * Resolves the hard links. The keys of the returned map are the numbers of
   * the hard links and of the files, pipes and devices that they lead to. Each
   * value has two numbers: that of the entry that the links lead to, and that
   * of the first of its names in path order. If the target of a hard link does
   * not exist, its value is `undefined`. Yields after each entry.
   */
  *#firstNames(
    order: Uint32Array,
  ): Generator<void, Map<number, Linked>, void> {
    const firsts = new Map<number, Linked>();
    if (this.#links.length === 0) return firsts;
    const isLink = new Set(this.#links);
    const files = new Map<number, number | undefined>();
    // The target of a hard link is an earlier entry of the stream. The links
    // are resolved in the order of the stream, so a target that is a hard link
    // is already resolved.
    for (const number of this.#links) {
      yield;
      const { target = "" } = this.list.at(number);
      const named = this.#findBefore(order, target, number);
      const file = named !== undefined && isLink.has(named)
        ? files.get(named)
        : named;
      files.set(number, file);
    }
    const linked = new Set(files.values());
    const first = new Map<number, number>();
    for (const [at, number] of order.entries()) {
      yield;
      const file = isLink.has(number) ? files.get(number) : number;
      if (file === undefined || !linked.has(file)) continue;
      if (!this.#isLive(order, at) || first.has(file)) continue;
      first.set(file, number);
    }
    for (const [file, number] of first) {
      if (!canHaveLinks(this.list.at(file).kind)) continue;
      firsts.set(file, { file, first: number });
    }
    for (const [number, file] of files) {
      firsts.set(
        number,
        file === undefined
          ? undefined
          : { file, first: first.get(file) ?? file },
      );
    }
    return firsts;
  }

  /**
   * Returns the number of the last entry with the given path that comes before
   * the entry `number` in the stream; `undefined` if there is none.
   */
  #findBefore(
    order: Uint32Array,
    path: string,
    number: number,
  ): number | undefined {
    let low = 0;
    let high = order.length;
    while (low < high) {
      const middle = low + high >>> 1;
      const way = comparePaths(this.list.path(order[middle]), path) ||
        order[middle] - number;
      if (way < 0) low = middle + 1;
      else high = middle;
    }
    const found = low === 0 ? undefined : order[low - 1];
    return found !== undefined && this.list.path(found) === path
      ? found
      : undefined;
  }

  /**
   * Returns an entry as it appears in the snapshot, and the facts about its
   * content; `undefined` if the entry is skipped.
   */
  #entryAt(
    number: number,
    firsts: ReadonlyMap<number, Linked>,
  ):
    | { entry: IndexEntry; facts?: PackedFacts | Promise<PackedFacts> }
    | undefined {
    const own = this.list.at(number);
    const { path } = own;
    if (!firsts.has(number)) return { entry: own, facts: this.#facts(number) };
    const linked = firsts.get(number);
    const file = linked && this.list.at(linked.file);
    if (
      linked === undefined || file === undefined || file.kind === "directory"
    ) {
      const detail = file === undefined
        ? `hard link to ${own.target}, which is not an earlier entry of the stream`
        : `hard link to ${own.target}, which is a directory`;
      this.#skip({ path, reason: "unreadable", detail });
      return undefined;
    }
    if (!canHaveLinks(file.kind)) return { entry: underPath(file, path) };
    if (linked.first !== number) {
      const target = this.list.path(linked.first);
      return { entry: makeLink(path, "hardlink", bareMetadata(file), target) };
    }
    return {
      entry: underPath(file, path),
      facts: this.#renamedFacts(linked.file, path),
    };
  }

  #facts(number: number): PackedFacts | undefined {
    const entry = this.list.at(number);
    if (entry.kind !== "file") return undefined;
    const { size, sha256, sparse } = entry;
    const stored = this.pieces.get(number);
    return {
      size,
      sha256,
      ...sparse !== undefined && { sparse },
      ...stored && { stored },
    };
  }

  /**
   * Returns the facts about the content of a file; `undefined` if the entry is
   * not a file. Also assigns the signature of the file to the given path.
   *
   * @param number The number of the file's entry in the stream.
   * @param path The path of the file in the snapshot, which can differ from its
   * path in the stream.
   */
  #renamedFacts(
    number: number,
    path: string,
  ): PackedFacts | Promise<PackedFacts> | undefined {
    const facts = this.#facts(number);
    const streamed = this.list.path(number);
    if (facts === undefined || streamed === path) return facts;
    const { signatures } = this.#reader;
    const signature = facts.size > MAX_WHOLE_BYTES
      ? signatures.get(streamed)
      : undefined;
    if (signature === undefined) signatures.delete(path);
    else signatures.set(path, { path: streamed, ...signature });
    const { stored } = facts;
    if (stored !== undefined) {
      const { path: under = streamed, ...piece } = stored;
      facts.stored = under === path ? piece : { ...piece, path: under };
      return facts;
    }
    if (facts.size > 0) return facts;
    // Unlike other content, empty content cannot be found under another path,
    // so it is stored again under the path in the snapshot.
    const entry = underPath(this.list.at(number), path);
    return entry.kind === "file"
      ? this.#reader.whole(entry, new Uint8Array(), undefined)
      : facts;
  }
}

/**
 * The number of the entry that a hard link leads to, and the number of the
 * entry with the first of its names in path order; `undefined` if the target of
 * the hard link does not exist.
 */
type Linked = { file: number; first: number } | undefined;

/** The content of a file that has no body in the stream. */
const NO_CONTENT: AsyncIterable<Uint8Array> = {
  async *[Symbol.asyncIterator]() {},
};

/** Returns the mode, time, owner and extended attributes of an entry. */
function metadataOf({ mode, mtime, uid, gid, xattrs }: Metadata): Metadata {
  return { mode: mode & 0o7777, mtime, uid, gid, ...xattrs && { xattrs } };
}

/**
 * Returns the metadata of a hard link, which has no extended attributes of its
 * own.
 */
function bareMetadata({ mode, mtime, uid, gid }: Metadata): Metadata {
  return { mode, mtime, uid, gid };
}

/** Returns a copy of an entry with a different path. */
function underPath(entry: HashedEntry, path: string): HashedEntry {
  return withJson({ ...entry, path });
}

/** Returns why a snapshot cannot contain an entry, or `undefined` if it can. */
function faultOf(member: StreamedEntry["member"]): string | undefined {
  const { uid, gid, mtime, target } = member;
  const { major, minor } = member.kind === "other"
    ? { major: 0, minor: 0 }
    : deviceOf(member) ?? { major: 0, minor: 0 };
  if (target === "" || target?.includes("\0")) {
    return "the target of the link is empty or has a NUL character";
  }
  if (target !== undefined && isTooLong(target)) {
    return `the target of the link is too long: ${target.length} characters; ` +
      "the limit is 16,383 characters and 2,048 segments";
  }
  if (mtime < -END_OF_TIME_NS || mtime >= END_OF_TIME_NS) {
    return "the modification time in seconds does not fit into 64 bits";
  }
  return [uid, gid, major, minor].every((number) =>
      isCount(number) && number <= MAX_ID
    )
    ? undefined
    : "the number of the owner, group or device is invalid";
}

/**
 * Returns the paths of the missing folders above an entry, outermost first.
 *
 * @param folders The folders that contain the previous entry, outermost first.
 * The folders that do not contain `path` are removed from this array.
 * @param path The path of the entry.
 */
function missingFolders(folders: string[], path: string): string[] {
  while (folders.length > 0 && !path.startsWith(`${folders.at(-1)}/`)) {
    folders.pop();
  }
  const missing: string[] = [];
  const above = folders.at(-1) ?? "";
  for (
    let folder = parentPath(path);
    folder !== above;
    folder = parentPath(folder)
  ) missing.unshift(folder);
  return missing;
}

function notFolder(path: string, below: string): DeltarError {
  return new DeltarError(
    "unsafe",
    "the path is not a directory, but the stream has an entry below it: " +
      JSON.stringify(below.slice(0, 200)),
    { path },
  );
}

/**
 * Adds the state of an entry under a name, and returns the position of the
 * state.
 */
function addState(states: StateWriter, name: string, entry: Entry): number {
  const bytes = encodeName(name);
  return states.add(bytes, 0, bytes.length, entryStatx(entry));
}
