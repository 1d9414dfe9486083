import type { Change } from "./diff_index.ts";
import type { DirIndex } from "./dir_index.ts";
import type { HashedEntry } from "./entry_line.ts";
import { comparePaths } from "./path.ts";

/**
 * What a runtime without calls of its own can be off when it sets a time, in
 * nanoseconds: no change of a restored file.
 */
const TIME_SLACK = 1000n;

/**
 * Merges two states, both in path order, into the changes between them.
 *
 * @param index The new state.
 * @param previous The old state.
 */
export function changesBetween(
  index: DirIndex,
  previous: DirIndex | undefined,
): Change[] {
  const changes: Change[] = [];
  const old = previous?.entries ?? [];
  let at = 0;
  for (const entry of index.entries) {
    // The very same, and not only alike, where it was known to be unchanged.
    if (old[at] === entry) {
      at++;
      continue;
    }
    while (at < old.length && comparePaths(old[at].path, entry.path) < 0) {
      changes.push({ change: "deleted", before: bare(old[at++]) });
    }
    if (at < old.length && old[at].path === entry.path) {
      const change = compare(entry, old[at++], index, previous!);
      if (change !== undefined) changes.push(change);
    } else changes.push(create(entry, index, previous));
  }
  while (at < old.length) {
    changes.push({ change: "deleted", before: bare(old[at++]) });
  }
  return changes;
}

/** The file whose old content a file now has; an empty file has none. */
function sourceOf(
  entry: HashedEntry,
  previous: DirIndex | undefined,
): string | undefined {
  if (entry.sha256 === undefined || entry.size === 0) return undefined;
  return previous?.findContent(entry.sha256)?.path;
}

function create(
  entry: HashedEntry,
  index: DirIndex,
  previous: DirIndex | undefined,
): Change {
  const from = sourceOf(entry, previous);
  if (from === undefined) return { change: "created", entry: bare(entry) };
  const change = index.get(from) === undefined ? "renamed" : "copied";
  return { change, entry: bare(entry), from };
}

function compare(
  entry: HashedEntry,
  before: HashedEntry,
  index: DirIndex,
  previous: DirIndex,
): Change | undefined {
  if (
    entry.kind !== before.kind || entry.sha256 !== before.sha256 ||
    entry.target !== before.target ||
    linkedContent(entry, index) !== linkedContent(before, previous)
  ) {
    const from = sourceOf(entry, previous);
    return {
      change: "updated",
      entry: bare(entry),
      before: bare(before),
      ...(from !== undefined && { from }),
    };
  }
  if (
    isSameTime(entry.mtime, before.mtime) && entry.mode === before.mode &&
    entry.uid === before.uid &&
    entry.gid === before.gid
  ) return undefined;
  return { change: "touched", entry: bare(entry), before: bare(before) };
}

/** Whether two times are one, as far as a runtime can set it. */
export function isSameTime(one: bigint, other: bigint): boolean {
  const late = one - other;
  return late > -TIME_SLACK && late < TIME_SLACK;
}

/**
 * The content behind a hard link: when it is replaced under the first name,
 * the other names have to be linked anew.
 */
function linkedContent(
  entry: HashedEntry,
  index: DirIndex,
): string | undefined {
  return entry.kind === "hardlink"
    ? index.get(entry.target!)?.sha256
    : undefined;
}

/** An entry without its block checksums. */
function bare(entry: HashedEntry): HashedEntry {
  const { path, kind, mode, mtime, uid, gid, size, sha256, target } = entry;
  return {
    path,
    kind,
    mode,
    mtime,
    uid,
    gid,
    size,
    ...(sha256 !== undefined && { sha256 }),
    ...(target !== undefined && { target }),
  };
}
