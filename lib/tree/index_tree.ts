import { checkAborted } from "../bytes/abort.ts";
import { turnIfDue } from "../bytes/turns.ts";
import { isSameTime } from "./change_finder.ts";
import type { DirIndex, IndexEntry } from "./dir_index.ts";
import type { EntrySink } from "./entry_list.ts";
import type { Metadata, Skipped, WalkedEntry } from "./entry.ts";
import type { FileFacts, FileReader } from "./file_reader.ts";
import {
  complete,
  indexSteps,
  keptXattrs,
  type ReadStep,
  type StepOptions,
  toMetadata,
} from "./index_steps.ts";
import { addEach, lastPathOf } from "./known_entries.ts";
import { lookAhead } from "./look_ahead.ts";
import { Measure } from "./measure.ts";
import type { OpenFolders } from "./open_folders.ts";
import { MAX_WHOLE_BYTES } from "./read_file.ts";
import { readStable } from "./read_stable.ts";
import { rootXattrs } from "./read_xattrs.ts";
import { ENTRY_FLAG } from "./state_layout.ts";
import { openTree, type WalkStates } from "./walk_tree.ts";
import type { Walker } from "./walker.ts";

/**
 * The number of entries between two checks of the clock while no file is read.
 */
const KNOWN_ENTRIES_PER_CHECK = 64;

/** Options for making an index. */
export interface IndexOptions {
  /**
   * The previous index. A file for which `unchanged` returns `true` is taken
   * from this index.
   */
  previous?: DirIndex;
  /**
   * Called with each file. Returns whether the file is unchanged since the
   * previous index was made. An unchanged file that is in `previous` is not
   * read. By default, every file is read, because the content of a file can
   * change while its size and time stay the same.
   */
  unchanged?: (entry: WalkedEntry) => boolean;
  /**
   * The reader of the files. The default reader computes their SHA-256 and
   * block checksums.
   */
  reader?: FileReader;
  /**
   * Called during the walk with each path that is skipped or excluded, and with
   * each file that changed while it was read.
   */
  onSkip?: (skipped: Skipped) => void;
  /**
   * Called with the progress after each entry or, if the directory was indexed
   * before, after several unchanged entries of a folder. Also called repeatedly
   * while a large file is read.
   */
  onProgress?: (progress: IndexProgress) => void;
  /**
   * Whether `onProgress` receives the totals: `allEntries`, `allBytes` and
   * `allRead`. The totals are counted by a second walk, which visits each
   * folder again while the files are read. Default: `false`.
   */
  measure?: boolean;
  /** A signal that ends the indexing with the error code `aborted`. */
  signal?: AbortSignal;
}

/** Options for `indexTree`; see {@linkcode IndexOptions}. */
export type IndexTreeOptions =
  & StepOptions
  & Omit<IndexOptions, "reader" | "previous" | "unchanged">;

/** The progress of making an index. */
export interface IndexProgress {
  /** The number of entries indexed so far. */
  entries: number;
  /**
   * The total size in bytes of the files indexed so far, whether or not they
   * were read.
   */
  bytes: number;
  /** The total size in bytes of the files that were read so far. */
  read: number;
  /**
   * The path of the entry that was indexed last, or of the large file that is
   * being read.
   */
  path: string;
  /** The total number of entries. Absent until the entries are counted. */
  allEntries?: number;
  /**
   * The total size in bytes of all files. Absent until the files are counted.
   */
  allBytes?: number;
  /**
   * The total size in bytes of the files that must be read. Absent until the
   * files are counted.
   */
  allRead?: number;
}

/** The result of `indexTree`, apart from the entries. */
export interface IndexedTree {
  /** The mode, times, owner and extended attributes of the directory itself. */
  root: Metadata;
  /**
   * The paths that were skipped or excluded, and the files that changed while
   * they were read.
   */
  skipped: Skipped[];
}

/**
 * Walks a directory, reads its files, except those that are known to be
 * unchanged, and adds all entries to a sink.
 *
 * @param walker The directory to walk.
 * @param sink The sink that receives the entries and the facts that the reader
 * collected.
 * @param reader The reader of the files' content.
 * @param options Options for making an index.
 * @param states The state of the previous walk, and the writer of the new
 * state.
 * @throws {DeltarError} `not-found` or `io` if the directory itself cannot be
 * read; `aborted` if the signal fired; and the errors of the sink and the
 * reader.
 */
export async function indexTree<Facts extends FileFacts>(
  walker: Walker,
  sink: EntrySink<Facts>,
  reader: FileReader<Facts>,
  options: IndexTreeOptions,
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
  options: IndexTreeOptions,
  states: WalkStates | undefined,
): Promise<IndexedTree> {
  const { signal } = options;
  const skipped: Skipped[] = [];
  let reading: ReadStep | undefined;
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
  /**
   * Reports the progress. `inFile` is the number of bytes that have been read
   * from the current file.
   */
  const tell = (path: string, inFile = 0) =>
    options.onProgress?.({
      entries,
      bytes: bytes + inFile,
      read: read + inFile,
      path,
      ...measure?.advance(),
    });
  const buffer = new Uint8Array(MAX_WHOLE_BYTES);
  const shared = {
    folders,
    reader,
    buffer,
    onSkip,
    onRead: tell,
    readsXattrs: walker.readsXattrs,
    originals: walker.options.originals,
    // The index gets the content of the original; see
    // `WalkerOptions.originals`. The next walk must therefore read the current
    // file, even if that file does not change until then.
    onOriginal: () => {
      if (reading === undefined) return;
      states?.writer?.mark(reading.place, ENTRY_FLAG.doubtful);
    },
    signal,
  };
  /** The paths of the files that were skipped. */
  const lost = new Set<string>();
  const all = indexSteps(walker, options, { onSkip, signal }, states, folders);
  // The data of previous entries is fetched in advance. Without such entries,
  // the walk need not be ahead of the reader.
  const steps = options.previous?.length
    ? lookAhead(
      all,
      ({ toRead, before }) => {
        if (toRead === undefined || before === undefined) return false;
        reader.expect?.(before);
        return true;
      },
      ({ known }) => known?.count ?? 1,
    )
    : all;
  try {
    for (const step of steps) {
      if (step.known !== undefined) {
        const turn = turnIfDue();
        if (turn !== undefined) {
          await turn;
          checkAborted(signal);
        }
        entries += step.known.count;
        bytes += sink.keep?.(step.known) ?? addEach(step.known, sink);
        tell(lastPathOf(step.known));
        continue;
      }
      const { place } = step;
      let entry: IndexEntry;
      let isOther = false;
      let facts: Facts | undefined;
      // Adding an entry without reading its file takes less time than reading
      // the clock, so the clock is read only after several such entries.
      const isLong = step.toRead !== undefined ||
        entries % KNOWN_ENTRIES_PER_CHECK === 0;
      const turn = isLong ? turnIfDue() : undefined;
      if (turn !== undefined) {
        await turn;
        checkAborted(signal);
      }
      const isPlaceholder = step.toRead !== undefined &&
        isPlaceholderAt(folders, step.entry.path);
      const kept = isPlaceholder ? keptContent(step) : undefined;
      if (kept !== undefined) entry = kept;
      else if (isPlaceholder) {
        const { path } = step.entry;
        lost.add(path);
        states?.writer?.mark(place, ENTRY_FLAG.doubtful);
        onSkip({ path, reason: "placeholder", detail: PLACEHOLDER });
        continue;
      } else if (step.toRead !== undefined) {
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
        if (!walker.readsXattrs) {
          const kept = keptXattrs(entry, before);
          if (kept !== undefined) entry.xattrs = kept;
        }
        isOther = isChanged(entry, toRead);
        const room = reader.ready?.();
        if (room !== undefined) await room;
      } else {
        entry = step.entry;
        if (entry.kind === "hardlink" && lost.has(entry.target)) {
          // The first name of the file was skipped, so this name cannot be
          // stored as a hard link to the first name.
          const { path, target } = entry;
          onSkip({
            path,
            reason: "unreadable",
            detail: `hard link to ${target}, which was skipped`,
          });
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
  const xattrs = walker.readsXattrs ? rootXattrs(folders) : undefined;
  return { root: toMetadata(folders.root.stat(), xattrs), skipped };
}

/** The detail that is reported with the reason `placeholder`. */
const PLACEHOLDER = "the content is only in the cloud; download the file to " +
  "include it, or exclude the file";

/** Returns whether the file at a path is known to be a placeholder. */
function isPlaceholderAt(folders: OpenFolders, path: string): boolean {
  try {
    return folders.isPlaceholder(path);
  } catch {
    // Reading the file fails with the same error, and the error is reported
    // then.
    return false;
  }
}

/**
 * Returns the entry of a placeholder, with the content of the file at this path
 * in the previous index. Returns `undefined` if the previous index has no such
 * file, or if the size or the time differs.
 */
function keptContent({ entry, before }: ReadStep): IndexEntry | undefined {
  const isSame = before !== undefined && before.size === entry.size &&
    isSameTime(before.mtime, entry.mtime);
  if (!isSame) return undefined;
  const { xattrs } = before;
  return { ...complete(entry, before), ...xattrs && { xattrs } };
}

/**
 * Returns whether a file's state when it was read differs from the state that
 * the walk found.
 */
function isChanged(entry: IndexEntry, walked: WalkedEntry): boolean {
  return entry.size !== walked.size || entry.mtime !== walked.mtime ||
    entry.mode !== walked.mode || entry.uid !== walked.uid ||
    entry.gid !== walked.gid;
}
