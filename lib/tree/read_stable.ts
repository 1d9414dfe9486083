import { codeOf } from "../bytes/errors.ts";
import { checkAborted } from "../bytes/abort.ts";
import type { IndexFileEntry } from "./dir_index.ts";
import type { FileEntry, Skipped, WalkedFile } from "./entry.ts";
import { faultOf } from "./file.ts";
import type { FileFacts, FileReader, LargeFile } from "./file_reader.ts";
import { codeOfKind, type OpenFile } from "./folder.ts";
import type { OpenFolders } from "./open_folders.ts";
import { originalOf } from "./originals.ts";
import {
  MAX_WHOLE_BYTES,
  openFile,
  readPieces,
  readWhole,
} from "./read_file.ts";
import { condense, type CondensedFile, maySparse } from "./sparse.ts";
import { xattrsOrSkip } from "./read_xattrs.ts";
import type { FileStat } from "./statx.ts";
import { systemError } from "./system_error.ts";
import { withBtime } from "./walked_entry.ts";

/** The values that are used for reading all files of an index. */
export interface Reading<Facts extends FileFacts = FileFacts> {
  /** The folders of the tree. */
  folders: OpenFolders;
  /** The reader that receives the content of each file. */
  reader: FileReader<Facts>;
  /** A buffer of 1 MiB, for a whole file or a part of a file. */
  buffer: Uint8Array;
  /**
   * Called with each file that could not be read, or that was changed, replaced
   * or deleted during the reading. Also called if the extended attributes of a
   * file could not be read.
   */
  onSkip: (skipped: Skipped) => void;
  /**
   * Called while a large file is read, with its path and the number of its
   * bytes that have been read.
   */
  onRead?: (path: string, bytes: number) => void;
  /** Whether the extended attributes are read. */
  readsXattrs?: boolean;
  /**
   * The folder of the originals, which are read in place of changed files. See
   * {@linkcode WalkerOptions.originals}.
   */
  originals?: string;
  /** Called when an original is read in place of the current file. */
  onOriginal?: () => void;
  /**
   * A signal that ends the reading of a large file with the error code
   * `aborted`.
   */
  signal?: AbortSignal;
}

/** The maximum number of times that a file is read again because it changed. */
const MAX_REPEATS = 3;

type State = Pick<
  FileStat,
  "mode" | "mtime" | "btime" | "ctime" | "size" | "uid" | "gid" | "inode"
>;

/**
 * Reads a file and checks that it did not change while being read. A file of at
 * most 1 MiB that changed is read again, up to three times, and is passed to
 * the reader once. A larger file is not read again. A file that changed during
 * the last attempt is reported to `onSkip`.
 *
 * The bytes and the state come from the same open file, even if another file
 * takes the name of the file during the reading. The file is opened relative to
 * its open folder, unless an original is read in its place.
 *
 * @param walked The entry of the file, as the walk found it.
 * @param entry The file's entry. It is updated to the state that the file had
 * when the content was read.
 * @param before The file at this path in the previous index.
 * @param shared The values that all files of the index share.
 * @returns The result of the reader, which is a promise only if the reader
 * returned one; `undefined` if the file could not be read.
 */
export function readStable<Facts extends FileFacts>(
  walked: WalkedFile,
  entry: FileEntry,
  before: IndexFileEntry | undefined,
  shared: Reading<Facts>,
): Facts | undefined | Promise<Facts | undefined> {
  const { path } = walked;
  let state: State = walked;
  let whole: Uint8Array | undefined;
  let isStable = true;
  let original: string | undefined;
  try {
    for (let attempt = 0; whole === undefined; attempt++) {
      if (shared.originals !== undefined) {
        original ??= originalOf(shared.originals, path, state);
      }
      if (original !== undefined) shared.onOriginal?.();
      const file = original === undefined
        ? shared.folders.openUnseen(path)
        : openFile(original);
      let isHandedOn = false;
      try {
        if (attempt > 0 || state.size > MAX_WHOLE_BYTES) {
          const stat = statFile(file);
          state = stat;
          if (stat.size > MAX_WHOLE_BYTES) {
            checkLinks(walked, stat, shared);
            update(entry, stat);
            addXattrs(entry, file, shared);
            isHandedOn = true;
            return readLarge(file, stat, entry, before, shared);
          }
        }
        const bytes = readWhole(file, state.size, shared.buffer);
        addXattrs(entry, file, shared);
        const after = statFile(file);
        if (isSame(state, after) && bytes.length === state.size) whole = bytes;
        else if (attempt === MAX_REPEATS) {
          whole = bytes;
          isStable = false;
        } else state = after;
      } finally {
        if (!isHandedOn) file.close();
      }
    }
  } catch (error) {
    return report(path, error, shared.onSkip);
  }
  if (!isStable) shared.onSkip(unstable(path));
  else checkLinks(walked, state, shared);
  update(entry, state);
  return shared.reader.whole(entry, whole, before);
}

async function readLarge<Facts extends FileFacts>(
  file: OpenFile,
  state: FileStat,
  entry: FileEntry,
  before: IndexFileEntry | undefined,
  { folders, reader, buffer, onSkip, onRead, signal }: Reading<Facts>,
): Promise<Facts | undefined> {
  let fault: unknown;
  let condensed: CondensedFile | undefined;
  // If reading fails, the parts end without an error, because the reader might
  // be writing an archive member that it must complete.
  const readable = function* () {
    try {
      if (condensed === undefined) yield* readPieces(file, state.size, buffer);
      else yield* condensed.pieces(buffer);
    } catch (error) {
      fault = error;
    }
  };
  let farthest = 0;
  const pieces = function* () {
    let read = 0;
    for (const piece of readable()) {
      checkAborted(signal);
      yield piece;
      read += piece.length;
      // Some readers read the parts twice. Only the first reading is reported.
      if (read <= farthest) continue;
      farthest = read;
      onRead?.(entry.path, read);
    }
  };
  try {
    if (reader.condenses && maySparse(state)) {
      try {
        condensed = await condense(file, state.size, buffer, signal);
      } catch (error) {
        checkAborted(signal);
        return report(entry.path, error, onSkip);
      }
    }
    const { size } = condensed ?? state;
    const large: LargeFile = condensed === undefined
      ? entry
      : { ...entry, size, fileSize: state.size };
    const facts = await reader.pieces(large, pieces, before);
    if (fault !== undefined) return report(entry.path, fault, onSkip);
    if (condensed !== undefined) {
      Object.assign(facts, { size: state.size, sparse: size });
    }
    const after = file.stat();
    if (!isSame(state, after)) {
      const isThere = folders.statAt(entry.path) !== undefined;
      // Deleting an open file changes its state, but its content can still be
      // read.
      onSkip(isThere ? unstable(entry.path) : gone(entry.path));
    }
    return facts;
  } finally {
    file.close();
  }
}

/**
 * Reports a file with several names if it was replaced by another file before
 * it was read. In the index, the other names become hard links to the new file,
 * although on the disk they are still names of the old file.
 */
function checkLinks(
  walked: WalkedFile,
  state: State,
  { onSkip }: Pick<Reading, "onSkip">,
): void {
  if (!walked.isLinked || state.inode === walked.inode) return;
  const detail = "replaced by another file";
  onSkip({ path: walked.path, reason: "changed", detail });
}

/**
 * Returns the state of an open file. Throws an error for anything but a regular
 * file.
 */
function statFile(file: OpenFile): FileStat {
  const stat = file.stat();
  const code = codeOfKind(stat.kind);
  if (code === undefined) return stat;
  throw systemError(code, "open", file.place);
}

function report(
  path: string,
  error: unknown,
  onSkip: (skipped: Skipped) => void,
): undefined {
  const code = codeOf(error);
  if (code !== undefined && OTHER_KIND.has(code)) {
    const detail = "replaced by something other than a file";
    return void onSkip({ path, reason: "unreadable", detail });
  }
  const [reason, detail] = faultOf(error);
  onSkip({ path, reason, detail });
}

/**
 * The codes of the errors that occur if something other than a file is opened
 * or read.
 */
const OTHER_KIND: ReadonlySet<string> = new Set([
  "ELOOP",
  "EISDIR",
  "ENXIO",
  "ESPIPE",
]);

function unstable(path: string): Skipped {
  return { path, reason: "changed", detail: "changed while being read" };
}

function gone(path: string): Skipped {
  return { path, reason: "vanished", detail: "deleted while being read" };
}

/**
 * Updates an entry to the state that the file had when its content was read.
 */
function update(entry: FileEntry, state: State): void {
  const { mode, mtime, uid, gid, size } = state;
  delete entry.btime;
  Object.assign(entry, withBtime({ mode, mtime, uid, gid, size }, state));
}

/** Reads the extended attributes of an open file and adds them to its entry. */
function addXattrs(
  entry: FileEntry,
  file: OpenFile,
  { readsXattrs, onSkip }: Reading,
): void {
  if (!readsXattrs) return;
  const xattrs = xattrsOrSkip(entry.path, () => file.xattrs?.(), onSkip);
  if (xattrs === undefined) delete entry.xattrs;
  else entry.xattrs = xattrs;
}

function isSame(before: State, after: State): boolean {
  return before.size === after.size && before.mtime === after.mtime &&
    before.ctime === after.ctime && before.inode === after.inode;
}
