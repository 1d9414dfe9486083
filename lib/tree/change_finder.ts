import { existing } from "../bytes/existing.ts";
import { WordRows } from "../bytes/word_rows.ts";
import type { Change, ChangeCounts } from "./diff_index.ts";
import type { EntryIndex } from "./entry_index.ts";
import type { HashedEntry } from "./entry_line.ts";
import { comparePaths } from "./path.ts";
import type { DeviceNumber, Entry } from "./entry.ts";
import { makeDirectory, makeFile, makeLink, makeSpecial } from "./to_json.ts";
import { isSameXattrs } from "./xattrs.ts";

/**
 * The difference, in nanoseconds, below which two times count as equal. Not
 * every runtime can set times exactly.
 */
const MAX_ROUNDING_NS = 1000n;

/**
 * The position of each 32-bit word in the row of a change, and the number of
 * words in a row. The words are the code of the change, the number of the new
 * entry and the number of the old entry. Created entries that directly follow
 * each other share one row. In this row, the second word is the number of the
 * first entry, and the third word is the number of further entries.
 */
const WORD = { change: 0, entry: 1, before: 2, length: 3 } as const;
const CREATED = 0;
const UPDATED = 1;
/**
 * The code for a file that was renamed or copied. These two cases can be
 * distinguished only at the end of the comparison, when all deletions are
 * known.
 */
const MOVED = 2;
const TOUCHED = 3;
const DELETED = 4;
/** The code for a path with changed hard links and unchanged content. */
const RELINKED = 5;
/**
 * The number that is added to the code of a change if the path is a directory.
 */
const DIRECTORY = 8;

/** A state without entries. */
const NO_ENTRIES: EntryIndex = {
  length: 0,
  at: refuse,
  path: refuse,
  get: () => undefined,
  findContent: () => undefined,
};

/**
 * A comparison of two states of a directory. The changes are found while the
 * entries of the new state are added one by one. Each change is stored as a few
 * numbers to save memory, because there can be millions of changes.
 */
export class ChangeFinder {
  /** The old state; empty after `finish`. */
  #old: EntryIndex;
  /**
   * The entries of the old state. `finish` can reduce them to those that have
   * changed.
   */
  #changed: Pick<EntryIndex, "at" | "path">;
  readonly #find: (path: string) => HashedEntry | undefined;
  readonly #rows = new WordRows(WORD.length);
  /**
   * A map from the number of the row of a file's change to the path that had
   * the file's new content in the old state.
   */
  readonly #from = new Map<number, string>();
  /** The deleted paths of files with content that was found at other paths. */
  #gone = new Set<string>();
  /**
   * The paths that were skipped when the new state was read. They do not count
   * as deleted.
   */
  #skipped: ReadonlySet<string> = new Set();
  #next = 0;
  #entries = 0;
  #changes = 0;

  /**
   * Makes a finder.
   *
   * @param old The old state, which is empty for a full backup.
   * @param find Called with the target of a hard link. Returns the entry that
   * was added for this path, if there is one.
   */
  constructor(
    old: EntryIndex,
    find: (path: string) => HashedEntry | undefined,
  ) {
    this.#old = old;
    this.#changed = old;
    this.#find = find;
  }

  /** The number of changes. */
  get length(): number {
    return this.#changes;
  }

  /**
   * Adds the next entry of the new state. The entries must be added in path
   * order. They are numbered from 0.
   */
  add(entry: HashedEntry): void {
    const number = this.#entries++;
    let order = -1;
    while (this.#next < this.#old.length) {
      order = comparePaths(this.#old.path(this.#next), entry.path);
      if (order >= 0) break;
      this.#delete(this.#next++);
    }
    if (order === 0) this.#compare(entry, number, this.#next++);
    else this.#create(entry, number);
  }

  /**
   * Adds the next entries of the new state, which are unchanged from the old
   * state.
   *
   * @param first The number of the first of these entries in the old state.
   * @param count The number of entries.
   */
  keep(first: number, count: number): void {
    while (this.#next < first) this.#delete(this.#next++);
    this.#next = first + count;
    this.#entries += count;
  }

  /**
   * Ends the comparison. Call it after the last entry of the new state has been
   * added. The paths that are only in the old state are recorded as deletions.
   * Afterwards, only the old entries that have changed are still used. If the
   * old state has `select`, the caller can then close the old state.
   *
   * @param skipped The paths that were skipped when the new state was read.
   * `counts` does not count these paths or the paths below them as deleted,
   * because they might still exist.
   */
  finish(skipped: Iterable<string> = []): void {
    this.#skipped = new Set(skipped);
    while (this.#next < this.#old.length) this.#delete(this.#next++);
    this.#changed = this.#old.select?.(this.#oldNumbers()) ?? this.#old;
    this.#old = NO_ENTRIES;
    if (this.#from.size === 0) return;
    const sources = new Set(this.#from.values());
    for (let row = 0; row < this.#rows.length; row++) {
      if ((this.#rows.get(row, WORD.change) & ~DIRECTORY) !== DELETED) continue;
      const path = this.#changed.path(this.#rows.get(row, WORD.before));
      if (sources.has(path) && !this.#isSkipped(path)) this.#gone.add(path);
    }
  }

  /** Returns the number of changes of each kind. Call it after `finish`. */
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
        // In the row of a deletion, `more` is the number of the old entry.
        if (this.#isSkipped(this.#changed.path(more))) continue;
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
    // The old path of a renamed file does not count as deleted.
    counts.deleted -= renamed.size;
    return counts;
  }

  /**
   * Yields the changes in path order, each with the number of the new entry, or
   * -1 for a deletion. Skipped paths are yielded as deleted, because the new
   * state does not contain them. Call it after `finish`.
   *
   * @param at Called with the number of an entry of the new state. Returns the
   * entry, without its block checksums.
   */
  *changes(
    at: (number: number) => HashedEntry,
  ): Generator<[change: Change, number: number]> {
    for (let row = 0; row < this.#rows.length; row++) {
      const what = this.#rows.get(row, WORD.change) & ~DIRECTORY;
      const number = this.#rows.get(row, WORD.entry);
      const before = () =>
        bare(this.#changed.at(this.#rows.get(row, WORD.before)));
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

  /** Yields the numbers of the old entries of all changes. */
  *#oldNumbers(): Generator<number> {
    for (let row = 0; row < this.#rows.length; row++) {
      const what = this.#rows.get(row, WORD.change) & ~DIRECTORY;
      if (what === CREATED || what === MOVED) continue;
      yield this.#rows.get(row, WORD.before);
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
    const isDirectory = this.#old.at(before).kind === "directory";
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
    const before = this.#old.at(old);
    if (
      entry.kind !== before.kind || !isContentEqual(entry, before) ||
      entry.target !== before.target ||
      !isSameNumber(deviceOf(entry), deviceOf(before)) ||
      !this.#isLinkedSame(entry)
    ) {
      const isSame = this.#isContentSame(entry, before);
      const row = this.#push(isSame ? RELINKED : UPDATED, number, old);
      const from = this.#sourceOf(entry);
      if (from !== undefined) this.#from.set(row, from);
    } else if (
      !isSameTime(entry.mtime, before.mtime) || entry.mode !== before.mode ||
      entry.uid !== before.uid || entry.gid !== before.gid ||
      !isSameXattrs(entry.xattrs, before.xattrs)
    ) this.#push(TOUCHED, number, old);
  }

  /** Returns whether the path, or a folder above it, was skipped. */
  #isSkipped(path: string): boolean {
    if (this.#skipped.size === 0) return false;
    for (let end = path.length; end > 0; end = path.lastIndexOf("/", end - 1)) {
      if (this.#skipped.has(path.slice(0, end))) return true;
    }
    return false;
  }

  /**
   * Returns whether a path is or was a hard link and has the same content as
   * before. If so, only the hard links of the path changed.
   */
  #isContentSame(entry: HashedEntry, before: HashedEntry): boolean {
    if (entry.kind !== "hardlink" && before.kind !== "hardlink") return false;
    const now = entry.kind === "hardlink" ? this.#find(entry.target) : entry;
    const old = before.kind === "hardlink"
      ? this.#old.get(before.target)
      : before;
    return now !== undefined && isSameNode(now, old) &&
      now.target === old?.target;
  }

  /**
   * Returns the first path that had this content in the old state, or
   * `undefined` if no path had this content, the file is empty or the entry is
   * not a file.
   */
  #sourceOf({ sha256, size }: HashedEntry): string | undefined {
    if (sha256 === undefined || size === 0) return undefined;
    return this.#old.findContent(sha256)?.path;
  }

  /**
   * Returns whether the file, pipe or device that a hard link points to is the
   * same as before. If the file, pipe or device was replaced, all hard links to
   * it must be made again. Also returns `true` for an entry that is not a hard
   * link.
   */
  #isLinkedSame({ kind, target }: HashedEntry): boolean {
    if (kind !== "hardlink") return true;
    return isSameNode(this.#find(target), this.#old.get(target));
  }
}

/**
 * Returns whether two entries have the same content. Also returns `true` if
 * neither entry has content.
 */
function isContentEqual(one: HashedEntry, other: HashedEntry): boolean {
  return one.sha256 === other.sha256 && one.sparse === other.sparse;
}

/**
 * Returns whether two entries have the same kind and content and, if they are
 * devices, the same device number. Also returns `true` if both are absent.
 */
function isSameNode(
  one: HashedEntry | undefined,
  other: HashedEntry | undefined,
): boolean {
  if (one === undefined || other === undefined) return one === other;
  return one.kind === other.kind && isContentEqual(one, other) &&
    isSameNumber(deviceOf(one), deviceOf(other));
}

/**
 * Returns whether two times differ by less than a microsecond. Not every
 * runtime can set times more exactly.
 *
 * @param one A time in nanoseconds since 1970.
 * @param other Another time in nanoseconds since 1970.
 */
export function isSameTime(one: bigint, other: bigint): boolean {
  const late = one - other;
  return late > -MAX_ROUNDING_NS && late < MAX_ROUNDING_NS;
}

/** Returns whether two device numbers are equal, or both are absent. */
export function isSameNumber(
  one: DeviceNumber | undefined,
  other: DeviceNumber | undefined,
): boolean {
  return one?.major === other?.major && one?.minor === other?.minor;
}

/**
 * Returns the device number of an entry; `undefined` if the entry is not a
 * device.
 */
export function deviceOf(entry: Entry): DeviceNumber | undefined {
  return entry.kind === "block" || entry.kind === "character"
    ? entry.device
    : undefined;
}

/** Returns an entry without its block checksums. */
export function bare(entry: HashedEntry): HashedEntry {
  const { path, kind } = entry;
  switch (kind) {
    case "file":
      return makeFile(path, entry, entry.size, entry.sha256, entry.sparse);
    case "directory":
      return makeDirectory(path, entry);
    case "symlink":
    case "hardlink":
      return makeLink(path, kind, entry, entry.target);
    default:
      return makeSpecial(path, kind, entry, deviceOf(entry));
  }
}

function refuse(number: number): never {
  throw new RangeError(`there is no entry with the number ${number}`);
}
