import type { IndexEntry } from "./dir_index.ts";

/**
 * The entries of a state of a directory, in path order. They may be decoded on
 * demand, so a caller that needs only paths should call `path` rather than
 * `at`.
 */
export interface EntryIndex {
  /** The number of entries. */
  readonly length: number;
  /** Returns the entry with a number, which must be less than `length`. */
  at(number: number): IndexEntry;
  /** Returns the path of the entry with a number. */
  path(number: number): string;
  /** Returns the entry of a path, if there is one. */
  get(path: string): IndexEntry | undefined;
  /** Returns the first file, in path order, with this SHA-256, if any. */
  findContent(sha256: string): IndexEntry | undefined;
  /**
   * Returns some of the entries, for use after the index has been closed. Absent
   * if the index never needs to be closed.
   *
   * @param numbers The numbers of the entries.
   */
  select?(numbers: Iterable<number>): Pick<EntryIndex, "at" | "path">;
}
