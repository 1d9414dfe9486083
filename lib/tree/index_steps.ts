import type { IndexEntry, IndexFileEntry } from "./dir_index.ts";
import { deviceOf, isSameNumber, isSameTime } from "./change_finder.ts";
import {
  type FileEntry,
  isSpecial,
  type Metadata,
  type NonFileEntry,
  type WalkedEntry,
  type WalkedFile,
} from "./entry.ts";
import type { EntryIndex } from "./entry_index.ts";
import type { FileFacts } from "./file_reader.ts";
import type { IndexOptions } from "./index_tree.ts";
import type { KnownRun } from "./known_entries.ts";
import type { OpenFolders } from "./open_folders.ts";
import { xattrsOrSkip } from "./read_xattrs.ts";
import { ENTRY_FLAG } from "./state_layout.ts";
import { makeSpecial, withJson } from "./to_json.ts";
import { type Walked, type WalkStates, walkTree } from "./walk_tree.ts";
import { withBtime } from "./walked_entry.ts";
import type { Walker, WalkOptions } from "./walker.ts";
import type { Xattrs } from "./xattrs.ts";

/**
 * A step of indexing a tree: one or more unchanged entries of the remembered
 * index, one complete entry, or one file that must be read.
 */
export type Step = KnownStep | CompleteStep | ReadStep;

/** One or more unchanged entries of the remembered index. */
export interface KnownStep {
  /** The entries. */
  known: KnownRun;
  /** Always absent, since only a `ReadStep` has this property. */
  toRead?: undefined;
  /** Always absent, since only a `ReadStep` has this property. */
  before?: undefined;
}

/** A complete entry. No file needs to be read for this entry. */
export interface CompleteStep {
  /** Always absent, since only a `KnownStep` has this property. */
  known?: undefined;
  /** The entry. */
  entry: IndexEntry;
  /**
   * The number of the first word of the entry's state in the `StateWriter`, or
   * 0 if the walk has no `StateWriter`.
   */
  place: number;
  /** Always absent, since only a `ReadStep` has this property. */
  toRead?: undefined;
  /** Always absent, since only a `ReadStep` has this property. */
  before?: undefined;
}

/** A file that must be read. */
export interface ReadStep {
  /** Always absent, since only a `KnownStep` has this property. */
  known?: undefined;
  /** The entry, without its SHA-256 and signature, which are not known yet. */
  entry: FileEntry;
  /**
   * The number of the first word of the entry's state in the `StateWriter`, or
   * 0 if the walk has no `StateWriter`.
   */
  place: number;
  /** The entry of the file, as the walk found it. */
  toRead: WalkedFile;
  /** The file at this path in the previous index, if any. */
  before: IndexFileEntry | undefined;
}

/** Options for {@linkcode indexSteps}. */
export interface StepOptions extends Pick<IndexOptions, "unchanged"> {
  /** See {@linkcode IndexOptions.previous}. */
  previous?: EntryIndex;
}

/**
 * Walks a directory and yields the steps of indexing it. Unchanged files are
 * taken from the previous index.
 *
 * @param walker The directory to walk.
 * @param index The options for making an index.
 * @param options The options of the walk.
 * @param states The state of the previous walk, and the writer of the new
 * state. Default: none.
 * @param folders The open folders of the directory. By default, the walk opens
 * the folders, and no extended attributes are read.
 */
export function* indexSteps(
  walker: Walker,
  { previous, unchanged }: StepOptions,
  options: WalkOptions,
  states?: WalkStates,
  folders?: OpenFolders,
): Generator<Step> {
  const walk = states === undefined
    ? unknown(walker.entries(options))
    : walkTree(walker, options, states, folders);
  // Extended attributes are read here, except those of a file that must be
  // read. They are read together with the file's content.
  const reads = folders !== undefined && walker.readsXattrs;
  const read = (path: string, place: number) =>
    xattrsOrSkip(path, () => folders?.xattrsAt(path), (skipped) => {
      states?.writer?.mark(place, ENTRY_FLAG.doubtful);
      options.onSkip?.(skipped);
    });
  for (const one of walk) {
    if (one.known !== undefined) {
      yield one;
      continue;
    }
    const { entry: walked, place } = one;
    if (walked.kind !== "file") {
      const entry = withoutState(walked);
      if (entry.kind !== "hardlink") {
        const old = previous?.get(entry.path);
        const known = walked.isKnown ? old?.xattrs : undefined;
        const xattrs = known ??
          (reads ? read(entry.path, place) : keptXattrs(entry, old));
        if (xattrs !== undefined) entry.xattrs = xattrs;
      }
      yield { entry, place };
      continue;
    }
    const { path, kind, mode, mtime, uid, gid, size } = walked;
    const old = previous?.get(path);
    const before = old?.kind === "file" ? old : undefined;
    if (!unchanged?.(walked) || before === undefined) {
      const entry = { path, kind, mode, mtime, uid, gid, size };
      yield { entry: withBtime(entry, walked), place, toRead: walked, before };
      continue;
    }
    const { sha256, signature, sparse } = before;
    const facts = { sha256, signature, ...sparse !== undefined && { sparse } };
    const entry = { path, kind, mode, mtime, uid, gid, size, ...facts };
    const xattrs = before.xattrs ?? (reads ? read(path, place) : undefined);
    yield { entry: withXattrs(withBtime(entry, walked), xattrs), place };
  }
}

function withXattrs<Of extends IndexEntry>(
  entry: Of,
  xattrs: Xattrs | undefined,
): Of {
  return xattrs === undefined ? entry : { ...entry, xattrs };
}

/**
 * Returns the extended attributes that an entry has in the previous index, or
 * `undefined` if the content, mode, modification time or owner of the entry has
 * changed since then. The result is used in place of extended attributes that
 * cannot be read.
 *
 * @param entry The entry. If it is a file, it has its SHA-256.
 * @param before The entry of the path in the previous index.
 */
export function keptXattrs(
  entry: IndexEntry,
  before: IndexEntry | undefined,
): Xattrs | undefined {
  const isSame = before !== undefined && entry.kind === before.kind &&
    entry.sha256 === before.sha256 && entry.target === before.target &&
    isSameNumber(deviceOf(entry), deviceOf(before)) &&
    entry.mode === before.mode && isSameTime(entry.mtime, before.mtime) &&
    entry.uid === before.uid && entry.gid === before.gid;
  return isSame ? before.xattrs : undefined;
}

function* unknown(entries: Iterable<WalkedEntry>): Generator<Walked> {
  for (const entry of entries) yield { entry, place: 0 };
}

function withoutState(walked: NonFileEntry): NonFileEntry {
  const { path, kind, mode, mtime, uid, gid, size, target } = walked;
  if (isSpecial(walked)) {
    return makeSpecial(path, walked.kind, walked, deviceOf(walked));
  }
  const entry = kind === "directory"
    ? { path, kind, mode, mtime, uid, gid, size }
    : { path, kind, mode, mtime, uid, gid, size, target } as NonFileEntry;
  return withBtime(entry, walked);
}

/**
 * Adds the facts about the content of a file to the file's entry, and returns
 * this entry.
 */
export function complete(
  entry: FileEntry,
  { size, sha256, signature, sparse }: FileFacts,
): IndexFileEntry {
  return Object.assign(
    entry,
    { size, sha256 },
    signature && { signature },
    sparse !== undefined && { sparse },
  );
}

/**
 * Returns a copy of the mode, times, owner and extended attributes in a state,
 * with a `toJSON` method.
 *
 * @param state The state.
 * @param xattrs The extended attributes. Default: the attributes of the state.
 */
export function toMetadata(
  state: Metadata,
  xattrs: Xattrs | undefined = state.xattrs,
): Metadata {
  const { mode, mtime, uid, gid } = state;
  const metadata = { mode, mtime, uid, gid, ...xattrs && { xattrs } };
  return withJson(withBtime<Metadata>(metadata, state));
}
