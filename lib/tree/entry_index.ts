import type { IndexEntry } from "./dir_index.ts";

/**
 * The entries of a directory at one time, in path order. `at` can be slower
 * than `path`, because it decodes the whole entry.
 */
export interface EntryIndex {
  /** The number of entries. */
  readonly length: number;
  /** Returns the entry with the given number, from 0 to `length - 1`. */
  at(number: number): IndexEntry;
  /** Returns the path of the entry with the given number. */
  path(number: number): string;
  /** Returns the entry of a path, if there is one. */
  get(path: string): IndexEntry | undefined;
  /** Returns the first file, in path order, with this SHA-256, if any. */
  findContent(sha256: string): IndexEntry | undefined;
  /**
   * Returns the entries with the given numbers. They have the same numbers in
   * the result, and can still be used after the file of the index has been
   * closed. An index that is always in memory lacks this method.
   *
   * @param numbers The numbers of the entries.
   */
  select?(numbers: Iterable<number>): Pick<EntryIndex, "at" | "path">;
}
