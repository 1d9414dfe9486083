import { DeltarError } from "../bytes/errors.ts";
import { toHex } from "../bytes/hex.ts";
import type { IndexEntry } from "./dir_index.ts";
import { decodeEntry } from "./entry_line.ts";
import type { Line } from "../bytes/listing.ts";
import { isTooLong } from "./path.ts";
import { wordsOf } from "./state_layout.ts";
import { makeDirectory, makeFile } from "./to_json.ts";
import type { TreeState } from "./tree_state.ts";

/**
 * The offsets, in 32-bit words, of the values of an entry, and the number of
 * words. The values are the number of the first word of the entry's state, the
 * number of its folder's entry in the list, and its SHA-256.
 */
export const WORDS = { state: 0, folder: 1, sha256: 2, length: 10 } as const;
/** The number that represents the root, which has no entry in the list. */
export const ROOT = 2 ** 32 - 1;

/**
 * The entries of an index, in the form that is stored together with their
 * states.
 */
export interface StoredEntries {
  /** Ten 32-bit words for each entry, in path order. See `WORDS`. */
  bytes: Uint8Array;
  /**
   * For each entry that is not fully described by its state: the number of the
   * entry in the list, and its line, as `encodeEntry` returns it.
   */
  odd: [number, Line][];
}

/** The entries of a remembered index. */
export interface KnownEntries {
  /** The entries, in path order. */
  entries: IndexEntry[];
  /** The entries, by the number of the first word of their state. */
  byState: Map<number, IndexEntry>;
}

/**
 * Reads the entries that are stored together with a state.
 *
 * @param stored The stored entries.
 * @param state The state of the directory.
 * @throws {DeltarError | RangeError | TypeError} If the entries are invalid or
 * do not belong to the state.
 */
export function decodeEntries(
  { bytes, odd }: StoredEntries,
  state: TreeState,
): KnownEntries {
  const words = wordsOf(bytes);
  const entries: IndexEntry[] = [];
  const byState = new Map<number, IndexEntry>();
  const lines = new Map(odd);
  for (let at = 0; at < words.length; at += WORDS.length) {
    const place = words[at + WORDS.state];
    const line = lines.get(entries.length);
    const entry = line === undefined
      ? plainEntry(bytes, at, words, state, entries)
      : decodeEntry(line, "state", 0);
    entries.push(entry);
    byState.set(place, entry);
  }
  return { entries, byState };
}

/**
 * Returns a file or directory that is fully described by its state and SHA-256.
 */
function plainEntry(
  bytes: Uint8Array,
  at: number,
  words: Uint32Array,
  state: TreeState,
  entries: readonly IndexEntry[],
): IndexEntry {
  const place = words[at + WORDS.state];
  const folder = words[at + WORDS.folder];
  const name = state.name(place);
  const basics = state.basics(place);
  const { kind, size } = basics;
  if (kind !== "file" && kind !== "directory") {
    throw new DeltarError(
      "corrupt",
      "a remembered entry has an invalid kind",
      {},
    );
  }
  const path = folder === ROOT ? name : `${entries[folder].path}/${name}`;
  if (isTooLong(path)) {
    throw new DeltarError(
      "corrupt",
      "the path of a remembered entry is too long",
      {},
    );
  }
  if (kind === "directory") return makeDirectory(path, basics);
  const start = 4 * (at + WORDS.sha256);
  const sha256 = toHex(bytes.subarray(start, start + 32));
  return makeFile(path, basics, size, sha256);
}
