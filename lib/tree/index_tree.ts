import { checkAborted } from "../bytes/abort.ts";
import { Turns } from "../bytes/turns.ts";
import type { DirIndex, IndexEntry } from "./dir_index.ts";
import type { EntrySink } from "./entry_list.ts";
import type { Metadata, Skipped, WalkedEntry } from "./entry.ts";
import { type FileReader, HashReader } from "./file_reader.ts";
import { WHOLE_LIMIT } from "./read_file.ts";
import { lookAhead } from "./look_ahead.ts";
import { readStable } from "./read_stable.ts";
import { ENTRY_FLAG } from "./state_layout.ts";
import { type Walked, type WalkStates, walkTree } from "./walk_tree.ts";
import type { Walker } from "./walker.ts";

/** How to make an index. */
export interface IndexOptions {
  /** The index before; what `unchanged` finds unchanged is taken from it. */
  previous?: DirIndex;
  /**
   * Whether a file is the one that `previous` knows, so that it need not be
   * read; asked of every file. By default every file is read: size and time
   * alone can lie.
   */
  unchanged?: (entry: WalkedEntry) => boolean;
  /** Who reads the files; by default they are hashed and signed. */
  reader?: FileReader;
  /** Told of everything that is left out, as it happens. */
  onSkip?: (skipped: Skipped) => void;
  /** Told after each entry how far it is. */
  onProgress?: (progress: IndexProgress) => void;
  /** Ends the work with an error of code `aborted`. */
  signal?: AbortSignal;
}

/** How far an index is. */
export interface IndexProgress {
  /** Entries so far. */
  entries: number;
  /** Bytes of files so far, read or not. */
  bytes: number;
  /** The path just done. */
  path: string;
}

/** What `indexTree` found besides the entries. */
export interface IndexedTree {
  /** The state of the directory itself. */
  root: Metadata;
  /** What was left out. */
  skipped: Skipped[];
}

/**
 * Walks a directory and reads each file that is not known already.
 *
 * @param walker The directory.
 * @param sink Is given the entries.
 * @param options What may be reused, and who reads the files.
 * @param states What is known and remembered of the files' states.
 */
export async function indexTree(
  walker: Walker,
  sink: EntrySink,
  options: IndexOptions,
  states?: WalkStates,
): Promise<IndexedTree> {
  const { signal } = options;
  const reader: FileReader = options.reader ?? new HashReader();
  const skipped: Skipped[] = [];
  let reading: Step | undefined;
  const onSkip = (skip: Skipped) => {
    skipped.push(skip);
    if (reading !== undefined && skip.path === reading.entry.path) {
      states?.writer.mark(reading.place, ENTRY_FLAG.doubtful);
    }
    options.onSkip?.(skip);
  };
  const shared = { reader, buffer: new Uint8Array(WHOLE_LIMIT), onSkip };
  let entries = 0;
  let bytes = 0;
  const turns = new Turns();
  /** Files that could not be kept. */
  const lost = new Set<string>();
  const walk = states === undefined
    ? unknown(walker.entries({ onSkip, signal }))
    : walkTree(walker, { onSkip, signal }, states);
  const steps = lookAhead(
    toSteps(walk, options),
    ({ toRead, before }) => {
      if (toRead === undefined || before === undefined) return false;
      reader.expect?.(before);
      return true;
    },
  );
  for (const step of steps) {
    const { entry, place, toRead, before } = step;
    let isOther = false;
    const turn = turns.next();
    if (turn !== undefined) {
      await turn;
      checkAborted(signal);
    }
    if (toRead !== undefined) {
      checkAborted(signal);
      const file = `${walker.path}/${toRead.path}`;
      reading = step;
      const told = readStable(file, toRead, entry, before, shared);
      const facts = told instanceof Promise ? await told : told;
      reading = undefined;
      if (facts === undefined) {
        lost.add(entry.path);
        continue;
      }
      entry.size = facts.size;
      isOther = isChanged(entry, toRead);
      entry.sha256 = facts.sha256;
      if (facts.signature !== undefined) entry.signature = facts.signature;
      const room = reader.ready?.();
      if (room !== undefined) await room;
    } else if (entry.kind === "hardlink" && lost.has(entry.target!)) {
      // As its first name could not be kept, nothing is left to link it to.
      const { path, target } = entry;
      onSkip({ path, reason: "unreadable", detail: `as ${target} is` });
      continue;
    }
    entries++;
    bytes += entry.size;
    sink.add(entry, place, isOther);
    options.onProgress?.({ entries, bytes, path: entry.path });
  }
  return { root: toMetadata(walker.stat()), skipped };
}

function* unknown(entries: Iterable<WalkedEntry>): Generator<Walked> {
  for (const entry of entries) yield { entry, place: 0 };
}

/** An entry, and what is still to be read for it. */
interface Step {
  entry: IndexEntry;
  place: number;
  /** The file to read, as the walk found it. */
  toRead?: WalkedEntry;
  /** The file of this path before. */
  before?: IndexEntry;
}

/** Takes what is unchanged from before. */
function* toSteps(
  walk: Iterable<Walked>,
  { previous, unchanged }: IndexOptions,
): Generator<Step> {
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

/** Whether a file was not read as the walk had found it. */
function isChanged(entry: IndexEntry, walked: WalkedEntry): boolean {
  return entry.size !== walked.size || entry.mtime !== walked.mtime ||
    entry.mode !== walked.mode || entry.uid !== walked.uid ||
    entry.gid !== walked.gid;
}

function toIndexEntry(walked: WalkedEntry): IndexEntry {
  const { path, kind, size, target } = walked;
  const entry: IndexEntry = { path, kind, ...toMetadata(walked), size };
  if (target !== undefined) entry.target = target;
  return entry;
}

function toMetadata({ mode, mtime, uid, gid }: Metadata): Metadata {
  return { mode, mtime, uid, gid };
}
