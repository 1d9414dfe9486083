import { checkAborted } from "../bytes/abort.ts";
import { turnIfDue } from "../bytes/turns.ts";
import type { DirIndex, IndexEntry } from "./dir_index.ts";
import type { EntrySink } from "./entry_list.ts";
import type { Metadata, Skipped, WalkedEntry } from "./entry.ts";
import type { FileFacts, FileReader } from "./file_reader.ts";
import { complete, indexSteps, type Step, toMetadata } from "./index_steps.ts";
import { lookAhead } from "./look_ahead.ts";
import { Measure } from "./measure.ts";
import type { OpenFolders } from "./open_folders.ts";
import { WHOLE_LIMIT } from "./read_file.ts";
import { readStable } from "./read_stable.ts";
import { ENTRY_FLAG } from "./state_layout.ts";
import { openTree, type WalkStates } from "./walk_tree.ts";
import type { Walker } from "./walker.ts";

/** The number of entries that need no reading between looks at the clock. */
const KNOWN_AT_ONCE = 64;

/** Options for making an index. */
export interface IndexOptions {
  /** The index before; what `unchanged` finds unchanged is taken from it. */
  previous?: DirIndex;
  /**
   * Whether a file is the one that `previous` knows, so that it need not be
   * read; asked of every file. By default every file is read: size and time
   * alone can lie.
   */
  unchanged?: (entry: WalkedEntry) => boolean;
  /** The reader of the files; by default they are hashed and signed. */
  reader?: FileReader;
  /** Called with each path that is left out, as it happens. */
  onSkip?: (skipped: Skipped) => void;
  /** Called after each entry, and repeatedly during a large file. */
  onProgress?: (progress: IndexProgress) => void;
  /**
   * Whether `onProgress` is to know how much there is in all: beside the work,
   * each folder is looked at once more. Default: `false`.
   */
  measure?: boolean;
  /** Ends the work with an error of code `aborted`. */
  signal?: AbortSignal;
}

/** The progress of an index. */
export interface IndexProgress {
  /** Entries so far. */
  entries: number;
  /** Bytes of files so far, read or not. */
  bytes: number;
  /** Bytes of those that had to be read. */
  read: number;
  /** The path just done, or of the large file that is being read. */
  path: string;
  /** All entries there will be, once that has been measured. */
  allEntries?: number;
  /** All bytes there will be, once that has been measured. */
  allBytes?: number;
  /** All bytes that have to be read, once that has been measured. */
  allRead?: number;
}

/** The result of `indexTree` besides the entries. */
export interface IndexedTree {
  /** The state of the directory itself. */
  root: Metadata;
  /** The paths that were left out. */
  skipped: Skipped[];
}

/**
 * Walks a directory and reads each file that is not known already.
 *
 * @param walker The directory.
 * @param sink Takes the entries, with what the reader found out of them.
 * @param reader Takes the content of the files that are read.
 * @param options What may be reused.
 * @param states What is known and remembered of the files' states.
 */
export async function indexTree<Facts extends FileFacts>(
  walker: Walker,
  sink: EntrySink<Facts>,
  reader: FileReader<Facts>,
  options: Omit<IndexOptions, "reader">,
  states?: WalkStates,
): Promise<IndexedTree> {
  const folders = openTree(walker);
  try {
    return await indexFolders(
      walker,
      folders,
      sink,
      reader,
      options,
      states,
    );
  } finally {
    folders.close();
  }
}

async function indexFolders<Facts extends FileFacts>(
  walker: Walker,
  folders: OpenFolders,
  sink: EntrySink<Facts>,
  reader: FileReader<Facts>,
  options: Omit<IndexOptions, "reader">,
  states: WalkStates | undefined,
): Promise<IndexedTree> {
  const { signal } = options;
  const skipped: Skipped[] = [];
  let reading: Step | undefined;
  const onSkip = (skip: Skipped) => {
    skipped.push(skip);
    if (reading !== undefined && skip.path === reading.entry.path) {
      states?.writer?.mark(reading.place, ENTRY_FLAG.doubtful);
    }
    options.onSkip?.(skip);
  };
  let entries = 0;
  let bytes = 0;
  let read = 0;
  const measure = options.measure && options.onProgress
    ? new Measure(
      indexSteps(
        walker,
        options,
        {},
        states && { ...states, writer: undefined },
      ),
    )
    : undefined;
  /** Tells how far it is, also in the file that is being read. */
  const tell = (path: string, inFile = 0) =>
    options.onProgress?.({
      entries,
      bytes: bytes + inFile,
      read: read + inFile,
      path,
      ...measure?.advance(),
    });
  const buffer = new Uint8Array(WHOLE_LIMIT);
  const shared = { folders, reader, buffer, onSkip, onRead: tell, signal };
  /** Files that could not be kept. */
  const lost = new Set<string>();
  const steps = lookAhead(
    indexSteps(walker, options, { onSkip, signal }, states, folders),
    ({ toRead, before }) => {
      if (toRead === undefined || before === undefined) return false;
      reader.expect?.(before);
      return true;
    },
  );
  try {
    for (const step of steps) {
      const { place } = step;
      let entry: IndexEntry;
      let isOther = false;
      let facts: Facts | undefined;
      // What is known takes less time than a look at the clock.
      const isLong = step.toRead !== undefined || entries % KNOWN_AT_ONCE === 0;
      const turn = isLong ? turnIfDue() : undefined;
      if (turn !== undefined) {
        await turn;
        checkAborted(signal);
      }
      if (step.toRead !== undefined) {
        checkAborted(signal);
        reading = step;
        const { toRead, entry: file, before } = step;
        const told = readStable(toRead, file, before, shared);
        facts = told instanceof Promise ? await told : told;
        reading = undefined;
        read += toRead.size;
        if (facts === undefined) {
          lost.add(file.path);
          continue;
        }
        entry = complete(file, facts);
        isOther = isChanged(entry, toRead);
        const room = reader.ready?.();
        if (room !== undefined) await room;
      } else {
        entry = step.entry;
        if (entry.kind === "hardlink" && lost.has(entry.target)) {
          // As its first name could not be kept, nothing is left to link it to.
          const { path, target } = entry;
          onSkip({ path, reason: "unreadable", detail: `as ${target} is` });
          continue;
        }
      }
      entries++;
      bytes += entry.size;
      sink.add(entry, place, isOther, facts);
      tell(entry.path);
    }
  } finally {
    measure?.close();
  }
  return { root: toMetadata(folders.root.stat()), skipped };
}

/** Whether a file was not read as the walk had found it. */
function isChanged(entry: IndexEntry, walked: WalkedEntry): boolean {
  return entry.size !== walked.size || entry.mtime !== walked.mtime ||
    entry.mode !== walked.mode || entry.uid !== walked.uid ||
    entry.gid !== walked.gid;
}
