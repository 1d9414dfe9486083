import type { IndexEntry, IndexFileEntry } from "./dir_index.ts";
import { deviceOf } from "./change_finder.ts";
import {
  type FileEntry,
  isSpecial,
  type Metadata,
  type NonFileEntry,
  type WalkedEntry,
  type WalkedFile,
} from "./entry.ts";
import type { FileFacts } from "./file_reader.ts";
import type { IndexOptions } from "./index_tree.ts";
import type { OpenFolders } from "./open_folders.ts";
import { makeSpecial, withJson } from "./to_json.ts";
import { type Walked, type WalkStates, walkTree } from "./walk_tree.ts";
import type { Walker, WalkOptions } from "./walker.ts";

/** An entry of a tree that is being indexed: complete, or a file to read. */
export type Step = KnownStep | ReadStep;

/** A complete entry. No file has to be read for it. */
export interface KnownStep {
  /** The entry. */
  entry: IndexEntry;
  /** The word at which the entry's state begins in the `StateWriter`. */
  place: number;
  /** Absent: only a `ReadStep` has it. */
  toRead?: undefined;
  /** Absent: only a `ReadStep` has it. */
  before?: undefined;
}

/** A file that has to be read. */
export interface ReadStep {
  /** The entry, without its SHA-256 and signature, which are not known yet. */
  entry: FileEntry;
  /** The word at which the entry's state begins in the `StateWriter`. */
  place: number;
  /** The file as the walk found it. */
  toRead: WalkedFile;
  /** The file of this path in the previous index. */
  before: IndexFileEntry | undefined;
}

/**
 * Walks a directory and takes over unchanged files from the previous index.
 *
 * @param walker The directory to walk.
 * @param index The options for making an index.
 * @param options The options of the walk.
 * @param states The state of the last walk, and the writer of the new state.
 * @param folders The folders of the directory. By default the walk opens them.
 */
export function* indexSteps(
  walker: Walker,
  { previous, unchanged }: IndexOptions,
  options: WalkOptions,
  states?: WalkStates,
  folders?: OpenFolders,
): Generator<Step> {
  const walk = states === undefined
    ? unknown(walker.entries(options))
    : walkTree(walker, options, states, folders);
  for (const { entry: walked, known, place } of walk) {
    if (known !== undefined) {
      yield { entry: known, place };
      continue;
    }
    if (walked.kind !== "file") {
      yield { entry: withoutState(walked), place };
      continue;
    }
    const { path, kind, mode, mtime, uid, gid, size } = walked;
    const old = previous?.get(path);
    const before = old?.kind === "file" ? old : undefined;
    if (!unchanged?.(walked) || before === undefined) {
      const entry = { path, kind, mode, mtime, uid, gid, size };
      yield { entry, place, toRead: walked, before };
      continue;
    }
    const { sha256, signature, sparse } = before;
    const facts = { sha256, signature, ...sparse !== undefined && { sparse } };
    const entry = { path, kind, mode, mtime, uid, gid, size, ...facts };
    yield { entry, place };
  }
}

function* unknown(entries: Iterable<WalkedEntry>): Generator<Walked> {
  for (const entry of entries) yield { entry, place: 0 };
}

function withoutState(walked: NonFileEntry): NonFileEntry {
  const { path, kind, mode, mtime, uid, gid, size, target } = walked;
  if (isSpecial(walked)) {
    return makeSpecial(path, walked.kind, walked, deviceOf(walked));
  }
  return kind === "directory"
    ? { path, kind, mode, mtime, uid, gid, size }
    : { path, kind, mode, mtime, uid, gid, size, target } as NonFileEntry;
}

/**
 * Adds the facts of a file's content to its entry, and returns the same entry.
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

/** Returns a copy of the mode, time and owner in a state, with a `toJSON`. */
export function toMetadata({ mode, mtime, uid, gid }: Metadata): Metadata {
  return withJson({ mode, mtime, uid, gid });
}
