import { codeOf } from "../bytes/errors.ts";
import { checkAborted } from "../bytes/abort.ts";
import type { IndexFileEntry } from "./dir_index.ts";
import type { FileEntry, Skipped, WalkedFile } from "./entry.ts";
import { faultOf } from "./file.ts";
import type { FileFacts, FileReader } from "./file_reader.ts";
import { codeOfKind, type OpenFile } from "./folder.ts";
import type { OpenFolders } from "./open_folders.ts";
import { readPieces, readWhole, WHOLE_LIMIT } from "./read_file.ts";
import type { FileStat } from "./statx.ts";
import { systemError } from "./system_error.ts";

/** The state that all reads of one run share. */
export interface Reading<Facts extends FileFacts = FileFacts> {
  /** The folders of the tree. */
  folders: OpenFolders;
  /** The receiver of the content. */
  reader: FileReader<Facts>;
  /** Room for a file that is read whole, or a piece of one, 1 MiB. */
  buffer: Uint8Array;
  /** Called with each file that cannot be read, or not unchanged. */
  onSkip: (skipped: Skipped) => void;
  /** Called with the number of bytes of a large file read so far. */
  onRead?: (path: string, bytes: number) => void;
  /** Ends the reading of a large file with an error of code `aborted`. */
  signal?: AbortSignal;
}

/** The number of attempts to read a file that keeps changing. */
const ATTEMPTS = 3;

type State = Pick<
  FileStat,
  "mode" | "mtime" | "ctime" | "size" | "uid" | "gid" | "inode"
>;

/**
 * Reads a file and looks whether it stayed the same meanwhile. One that fits
 * in memory is read again if not, and handed on once; a larger one is taken as
 * it came. Either is reported if it would not keep still.
 *
 * What is read is always one open file, reached from its folder: its state is
 * taken from the same file, whatever has its name by then.
 *
 * @param walked What the walk found.
 * @param entry The file's entry, which is brought up to date.
 * @param before The file of this path in the previous index.
 * @returns What the reader says, a promise only if the reader gave one;
 * `undefined` if the file could not be kept.
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
  try {
    for (let attempt = 0; whole === undefined; attempt++) {
      const file = shared.folders.openUnseen(path);
      let isHandedOn = false;
      try {
        if (attempt > 0 || state.size > WHOLE_LIMIT) {
          state = statFile(file);
        }
        if (state.size > WHOLE_LIMIT) {
          checkLinks(walked, state, shared);
          update(entry, state);
          isHandedOn = true;
          return readLarge(file, state, entry, before, shared);
        }
        const bytes = readWhole(file, state.size, shared.buffer);
        const after = statFile(file);
        if (isSame(state, after) && bytes.length === state.size) whole = bytes;
        else if (attempt === ATTEMPTS) {
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
  state: State,
  entry: FileEntry,
  before: IndexFileEntry | undefined,
  { folders, reader, buffer, onSkip, onRead, signal }: Reading<Facts>,
): Promise<Facts | undefined> {
  let fault: unknown;
  // A reader half through an archive member needs an end, not an exception.
  const readable = function* () {
    try {
      yield* readPieces(file, state.size, buffer);
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
      // Some readers come twice.
      if (read <= farthest) continue;
      farthest = read;
      onRead?.(entry.path, read);
    }
  };
  try {
    const facts = await reader.pieces(entry, pieces, before);
    if (fault !== undefined) return report(entry.path, fault, onSkip);
    const after = file.stat();
    if (!isSame(state, after)) {
      const isThere = folders.statAt(entry.path) !== undefined;
      // What went was read to its end before.
      onSkip(isThere ? unstable(entry.path) : gone(entry.path));
    }
    return facts;
  } finally {
    file.close();
  }
}

/**
 * Tells if another file has taken the place of one that has further names: those
 * are links to it in the tree, and not on the disk.
 */
function checkLinks(
  walked: WalkedFile,
  state: State,
  { onSkip }: Pick<Reading, "onSkip">,
): void {
  if (!walked.isLinked || state.inode === walked.inode) return;
  const detail = "another file has taken its place";
  onSkip({ path: walked.path, reason: "changed", detail });
}

/** The state of what has to be a file still. */
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
    const detail = "something else has taken its place";
    return void onSkip({ path, reason: "unreadable", detail });
  }
  const [reason, detail] = faultOf(error);
  onSkip({ path, reason, detail });
}

/** The errors of opening a path that is not a file. */
const OTHER_KIND: ReadonlySet<string> = new Set([
  "ELOOP",
  "EISDIR",
  "ENXIO",
  "ESPIPE",
]);

function unstable(path: string): Skipped {
  return { path, reason: "changed", detail: "it changed while it was read" };
}

function gone(path: string): Skipped {
  return { path, reason: "vanished", detail: "it was gone when it was read" };
}

/** Brings an entry up to the state that its content was read in. */
function update(entry: FileEntry, state: State): void {
  const { mode, mtime, uid, gid, size } = state;
  Object.assign(entry, { mode, mtime, uid, gid, size });
}

function isSame(before: State, after: State): boolean {
  return before.size === after.size && before.mtime === after.mtime &&
    before.ctime === after.ctime && before.inode === after.inode;
}
