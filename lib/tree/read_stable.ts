import type { IndexEntry } from "./dir_index.ts";
import type { Skipped, WalkedEntry } from "./entry.ts";
import { faultOf } from "./file.ts";
import type { FileFacts, FileReader } from "./file_reader.ts";
import { readPieces, readWhole, WHOLE_LIMIT } from "./read_file.ts";
import { type FileStat, lstat } from "./stat.ts";

/** What all readings of one run share. */
export interface Reading {
  /** Who is handed the content. */
  reader: FileReader;
  /** Room for a file that is read whole, or a piece of one, 1 MiB. */
  buffer: Uint8Array;
  /** Told of a file that cannot be read, or not as it was. */
  onSkip: (skipped: Skipped) => void;
  /** Told how many bytes of a large file have been read so far. */
  onRead?: (path: string, bytes: number) => void;
}

/** How often a file that changes under the reader is read again. */
const ATTEMPTS = 3;

type State = Pick<
  FileStat,
  "mode" | "mtime" | "ctime" | "size" | "uid" | "gid"
>;

/**
 * Reads a file and looks whether it stayed the same meanwhile. One that fits
 * in memory is read again if not, and handed on once; a larger one is taken as
 * it came. Either is reported if it would not keep still.
 *
 * @param place The file, a path of the operating system.
 * @param walked What the walk found.
 * @param entry The file's entry, which is brought up to date.
 * @param before The file of this path in the previous index.
 * @returns What the reader says, a promise only if the reader gave one;
 * `undefined` if the file could not be kept.
 */
export function readStable(
  place: string,
  walked: WalkedEntry,
  entry: IndexEntry,
  before: IndexEntry | undefined,
  shared: Reading,
): FileFacts | undefined | Promise<FileFacts | undefined> {
  const { path } = walked;
  let state: State = walked;
  let whole: Uint8Array | undefined;
  try {
    for (let attempt = 0; state.size <= WHOLE_LIMIT; attempt++) {
      whole = readWhole(place, state.size, shared.buffer);
      const after = lstatFile(place);
      if (isSame(state, after) && whole.length === state.size) break;
      if (attempt === ATTEMPTS) {
        shared.onSkip(unstable(path));
        break;
      }
      state = after;
      whole = undefined;
    }
  } catch (error) {
    return report(path, error, shared.onSkip);
  }
  update(entry, state);
  return whole === undefined
    ? readLarge(place, state, entry, before, shared)
    : shared.reader.whole(entry, whole, before);
}

async function readLarge(
  place: string,
  state: State,
  entry: IndexEntry,
  before: IndexEntry | undefined,
  { reader, buffer, onSkip, onRead }: Reading,
): Promise<FileFacts | undefined> {
  let fault: unknown;
  // A reader half through an archive member needs an end, not an exception.
  const readable = function* () {
    try {
      yield* readPieces(place, state.size, buffer);
    } catch (error) {
      fault = error;
    }
  };
  let farthest = 0;
  const pieces = function* () {
    let read = 0;
    for (const piece of readable()) {
      yield piece;
      read += piece.length;
      // Some readers come twice.
      if (read <= farthest) continue;
      farthest = read;
      onRead?.(entry.path, read);
    }
  };
  const facts = await reader.pieces(entry, pieces, before);
  if (fault !== undefined) return report(entry.path, fault, onSkip);
  try {
    if (!isSame(state, lstatFile(place))) onSkip(unstable(entry.path));
  } catch (error) {
    // It was read to its end before it went.
    report(entry.path, error, onSkip);
  }
  return facts;
}

function report(
  path: string,
  error: unknown,
  onSkip: (skipped: Skipped) => void,
): undefined {
  const [reason, detail] = faultOf(error);
  onSkip({ path, reason, detail });
}

function unstable(path: string): Skipped {
  return { path, reason: "changed", detail: "it changed while it was read" };
}

/** Brings an entry up to the state that its content was read in. */
function update(entry: IndexEntry, state: State): void {
  const { mode, mtime, uid, gid, size } = state;
  Object.assign(entry, { mode, mtime, uid, gid, size });
}

function isSame(before: State, after: State): boolean {
  return before.size === after.size && before.mtime === after.mtime &&
    before.ctime === after.ctime;
}

/** The state of what has to be a file still. */
function lstatFile(place: string): FileStat {
  const stat = lstat(place);
  if (stat.kind === "file") return stat;
  const what = `something else (${stat.kind}) has taken its place`;
  throw Object.assign(new Error(what), { code: "ENOENT" });
}
