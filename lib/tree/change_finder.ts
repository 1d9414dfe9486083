import { existing } from "../bytes/existing.ts";
import { WordRows } from "../bytes/word_rows.ts";
import type { Change, ChangeCounts } from "./diff_index.ts";
import type { DirIndex } from "./dir_index.ts";
import type { HashedEntry } from "./entry_line.ts";
import { comparePaths } from "./path.ts";
import { makeDirectory, makeFile, makeLink } from "./to_json.ts";

/**
 * The error of a runtime without system calls when it sets a time, in
 * nanoseconds. It is not a change of a restored file.
 */
const TIME_SLACK = 1000n;

/**
 * The words of a row: the change and the numbers of its two entries. A created
 * entry has no old one; in its place is the number of created entries that
 * follow at once.
 */
const WORD = { change: 0, entry: 1, before: 2, length: 3 } as const;
const CREATED = 0;
const UPDATED = 1;
/** Renamed or copied, which only the end tells. */
const MOVED = 2;
const TOUCHED = 3;
const DELETED = 4;
/** Updated, but only in which paths are hard links of one another. */
const RELINKED = 5;
/** Added where it is a directory that was created or deleted. */
const DIRECTORY = 8;

/**
 * Finds what changed from one state of a directory to another, while the new one
 * is being found, entry by entry. Of each change, a few numbers are kept.
 */
export class ChangeFinder {
  readonly #previous: DirIndex | undefined;
  readonly #old: readonly HashedEntry[];
  readonly #find: (path: string) => HashedEntry | undefined;
  readonly #rows = new WordRows(WORD.length);
  /** The path that a file has its content from, by row. */
  readonly #from = new Map<number, string>();
  /** Paths that are gone, and had a content that moved. */
  #gone = new Set<string>();
  /**
   * The paths that the new state skipped: they were not seen, and are not gone.
   */
  #skipped: ReadonlySet<string> = new Set();
  #next = 0;
  #entries = 0;
  #changes = 0;

  /**
   * Makes a finder.
   *
   * @param previous The old state; none for a full backup.
   * @param find The entry of a path of the new state, which came already.
   */
  constructor(
    previous: DirIndex | undefined,
    find: (path: string) => HashedEntry | undefined,
  ) {
    this.#previous = previous;
    this.#old = previous?.entries ?? [];
    this.#find = find;
  }

  /** The number of changes. */
  get length(): number {
    return this.#changes;
  }

  /** Takes the next entry of the new state. They are numbered from 0. */
  add(entry: HashedEntry): void {
    const number = this.#entries++;
    // The very same, and not only alike, where it was known to be unchanged.
    if (this.#old[this.#next] === entry) {
      this.#next++;
      return;
    }
    let order = -1;
    while (this.#next < this.#old.length) {
      order = comparePaths(this.#old[this.#next].path, entry.path);
      if (order >= 0) break;
      this.#delete(this.#next++);
    }
    if (order === 0) this.#compare(entry, number, this.#next++);
    else this.#create(entry, number);
  }

  /**
   * Ends the new state: what else the old one had is gone.
   *
   * @param skipped The paths that the new state skipped. What is gone there is
   * not counted as deleted, as it may still be in the directory.
   */
  finish(skipped: Iterable<string> = []): void {
    this.#skipped = new Set(skipped);
    while (this.#next < this.#old.length) this.#delete(this.#next++);
    if (this.#from.size === 0) return;
    const sources = new Set(this.#from.values());
    for (let row = 0; row < this.#rows.length; row++) {
      if ((this.#rows.get(row, WORD.change) & ~DIRECTORY) !== DELETED) continue;
      const { path } = this.#old[this.#rows.get(row, WORD.before)];
      if (sources.has(path) && !this.#isSkipped(path)) this.#gone.add(path);
    }
  }

  /** Returns the number of changes of each kind; call it at the end. */
  counts(): ChangeCounts {
    const counts: ChangeCounts = {
      created: 0,
      createdDirs: 0,
      updated: 0,
      touched: 0,
      deleted: 0,
      deletedDirs: 0,
      renamed: 0,
      copied: 0,
    };
    const renamed = new Set<string>();
    for (let row = 0; row < this.#rows.length; row++) {
      const change = this.#rows.get(row, WORD.change);
      const more = this.#rows.get(row, WORD.before);
      if (change === CREATED) counts.created += 1 + more;
      else if (change === (CREATED | DIRECTORY)) counts.createdDirs += 1 + more;
      else if (change === UPDATED) counts.updated++;
      else if (change === TOUCHED || change === RELINKED) counts.touched++;
      else if ((change & ~DIRECTORY) === DELETED) {
        // In a deletion it is the old entry that `more` numbers.
        if (this.#isSkipped(this.#old[more].path)) continue;
        if (change === DELETED) counts.deleted++;
        else counts.deletedDirs++;
      } else {
        const from = existing(this.#from, row);
        if (this.#gone.has(from)) {
          counts.renamed++;
          renamed.add(from);
        } else counts.copied++;
      }
    }
    // A file that has another name now is not deleted as well.
    counts.deleted -= renamed.size;
    return counts;
  }

  /**
   * The changes in path order, each with the number of the new entry, -1 if
   * there is none; to be asked for at the end.
   *
   * @param at The new entry of a number, without its block checksums.
   */
  *changes(
    at: (number: number) => HashedEntry,
  ): Generator<[change: Change, number: number]> {
    for (let row = 0; row < this.#rows.length; row++) {
      const what = this.#rows.get(row, WORD.change) & ~DIRECTORY;
      const number = this.#rows.get(row, WORD.entry);
      const before = () => bare(this.#old[this.#rows.get(row, WORD.before)]);
      if (what === DELETED) {
        yield [{ change: "deleted", before: before() }, -1];
        continue;
      }
      if (what === CREATED) {
        const last = number + this.#rows.get(row, WORD.before);
        for (let next = number; next <= last; next++) {
          yield [{ change: "created", entry: at(next) }, next];
        }
        continue;
      }
      const entry = at(number);
      if (what === TOUCHED) {
        yield [{ change: "touched", entry, before: before() }, number];
      } else if (what === UPDATED || what === RELINKED) {
        const from = this.#from.get(row);
        const both = {
          entry,
          before: before(),
          ...from !== undefined && { from },
          ...what === RELINKED && { isLinkOnly: true },
        };
        yield [{ change: "updated", ...both }, number];
      } else {
        const from = existing(this.#from, row);
        const change = this.#gone.has(from) ? "renamed" : "copied";
        yield [{ change, entry, from }, number];
      }
    }
  }

  #push(change: number, entry: number, before: number): number {
    this.#changes++;
    const row = this.#rows.push();
    this.#rows.set(row, WORD.change, change);
    this.#rows.set(row, WORD.entry, entry);
    this.#rows.set(row, WORD.before, before);
    return row;
  }

  #delete(before: number): void {
    const isDirectory = this.#old[before].kind === "directory";
    this.#push(isDirectory ? DELETED | DIRECTORY : DELETED, 0, before);
  }

  #create(entry: HashedEntry, number: number): void {
    const from = this.#sourceOf(entry);
    if (from !== undefined) {
      this.#from.set(this.#push(MOVED, number, 0), from);
      return;
    }
    const isDirectory = entry.kind === "directory";
    const change = isDirectory ? CREATED | DIRECTORY : CREATED;
    const last = this.#rows.length - 1;
    const more = last < 0 ? 0 : this.#rows.get(last, WORD.before);
    if (
      last >= 0 && this.#rows.get(last, WORD.change) === change &&
      this.#rows.get(last, WORD.entry) + more + 1 === number
    ) {
      this.#changes++;
      this.#rows.set(last, WORD.before, more + 1);
    } else this.#push(change, number, 0);
  }

  #compare(entry: HashedEntry, number: number, old: number): void {
    const before = this.#old[old];
    if (
      entry.kind !== before.kind || entry.sha256 !== before.sha256 ||
      entry.target !== before.target || !this.#isLinkedSame(entry)
    ) {
      const isSame = this.#isContentSame(entry, before);
      const row = this.#push(isSame ? RELINKED : UPDATED, number, old);
      const from = this.#sourceOf(entry);
      if (from !== undefined) this.#from.set(row, from);
    } else if (
      !isSameTime(entry.mtime, before.mtime) || entry.mode !== before.mode ||
      entry.uid !== before.uid || entry.gid !== before.gid
    ) this.#push(TOUCHED, number, old);
  }

  /** Whether the path, or a folder above it, was skipped. */
  #isSkipped(path: string): boolean {
    if (this.#skipped.size === 0) return false;
    for (let end = path.length; end > 0; end = path.lastIndexOf("/", end - 1)) {
      if (this.#skipped.has(path.slice(0, end))) return true;
    }
    return false;
  }

  /**
   * Whether a path that is or was a hard link has the content that it had: then
   * only the first name of the file is another, or the link is broken or made.
   */
  #isContentSame(entry: HashedEntry, before: HashedEntry): boolean {
    if (entry.kind !== "hardlink" && before.kind !== "hardlink") return false;
    const now = entry.kind === "hardlink" ? this.#find(entry.target) : entry;
    const old = before.kind === "hardlink"
      ? this.#previous?.get(before.target)
      : before;
    return now !== undefined && now.kind === old?.kind &&
      now.sha256 === old.sha256 && now.target === old.target;
  }

  /** The file whose old content a file now has; an empty file has none. */
  #sourceOf({ sha256, size }: HashedEntry): string | undefined {
    if (sha256 === undefined || size === 0) return undefined;
    return this.#previous?.findContent(sha256)?.path;
  }

  /**
   * Whether the content behind a hard link is the one before: when it is
   * replaced under the first name, the other names have to be linked again.
   */
  #isLinkedSame({ kind, target }: HashedEntry): boolean {
    if (kind !== "hardlink") return true;
    const before = this.#previous?.get(target);
    return this.#find(target)?.sha256 === before?.sha256;
  }
}

/** Whether two times are one, as far as a runtime can set it. */
export function isSameTime(one: bigint, other: bigint): boolean {
  const late = one - other;
  return late > -TIME_SLACK && late < TIME_SLACK;
}

/** An entry without its block checksums. */
export function bare(entry: HashedEntry): HashedEntry {
  const { path, kind } = entry;
  switch (kind) {
    case "file":
      return makeFile(path, entry, entry.size, entry.sha256);
    case "directory":
      return makeDirectory(path, entry);
    default:
      return makeLink(path, kind, entry, entry.target);
  }
}
