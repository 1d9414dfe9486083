import type { IndexEntry } from "./dir_index.ts";
import type { Metadata, WalkedEntry } from "./entry.ts";
import type { IndexOptions } from "./index_tree.ts";
import type { OpenFolders } from "./open_folders.ts";
import { withJson } from "./to_json.ts";
import { type Walked, type WalkStates, walkTree } from "./walk_tree.ts";
import type { Walker, WalkOptions } from "./walker.ts";

/** An entry of a tree that is indexed, and what is still to be read for it. */
export interface Step {
  /** The entry; of a file that is to be read, without its content's sum. */
  entry: IndexEntry;
  /** Where the state's writer has it. */
  place: number;
  /** The file to read, as the walk found it. */
  toRead?: WalkedEntry;
  /** The file of this path before. */
  before?: IndexEntry;
}

/**
 * Walks a directory, and takes what is unchanged from before.
 *
 * @param walker The directory.
 * @param index What is known, and what may be reused.
 * @param options Who is told of what is left out.
 * @param states What is known and remembered of the files' states.
 * @param folders The folders of the directory; by default the walk opens them.
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
    const entry = toIndexEntry(walked);
    if (walked.kind !== "file") {
      yield { entry, place };
      continue;
    }
    const before = previous?.get(walked.path);
    if (!unchanged?.(walked) || before?.kind !== "file") {
      yield { entry, place, toRead: walked, before };
      continue;
    }
    entry.sha256 = before.sha256;
    entry.signature = before.signature;
    yield { entry, place };
  }
}

function* unknown(entries: Iterable<WalkedEntry>): Generator<Walked> {
  for (const entry of entries) yield { entry, place: 0 };
}

function toIndexEntry(walked: WalkedEntry): IndexEntry {
  const { path, kind, mode, mtime, uid, gid, size, target } = walked;
  const entry: IndexEntry = { path, kind, mode, mtime, uid, gid, size };
  if (target !== undefined) entry.target = target;
  return entry;
}

/** Returns the part of a state that is kept besides kind and content. */
export function toMetadata({ mode, mtime, uid, gid }: Metadata): Metadata {
  return withJson({ mode, mtime, uid, gid });
}
