import process from "node:process";
import { plural } from "../shared/text.ts";
import { gitName } from "./git_name.ts";
import type { Comparison, FilePair } from "./git_patch.ts";
import { paint } from "./terminal.ts";

/** The numbers of changed lines of a file, or the sizes of a binary file. */
export interface FileStat {
  /** The path, or for a renamed file both paths, in git's notation. */
  name: string;
  /** The number of inserted lines. */
  insertions: number;
  /** The number of deleted lines. */
  deletions: number;
  /**
   * The old and the new size of a binary file with changed content, in bytes.
   * The size of a file that does not exist is 0. Absent for other files.
   */
  sizes?: [old: number, now: number];
}

/**
 * Returns the statistics of each changed file, by the new path, or by the old
 * path of a deleted file. If a file became a symlink, or a symlink became a
 * file, its path has two pairs, one for the deletion and one for the creation.
 * The numbers of both pairs are added.
 */
export async function fileStats(
  pairs: AsyncIterable<[FilePair, Comparison]>,
): Promise<Map<string, FileStat>> {
  const stats = new Map<string, FileStat>();
  for await (const [pair, comparison] of pairs) {
    const path = pair.now?.path ?? pair.old?.path ?? "";
    const stat = statOf(pair, comparison);
    const other = stats.get(path);
    if (other !== undefined) {
      stat.insertions += other.insertions;
      stat.deletions += other.deletions;
      stat.sizes ??= other.sizes;
    }
    stats.set(path, stat);
  }
  return stats;
}

/** Returns the statistics of a pair of files. */
function statOf(
  { old, now, isRename }: FilePair,
  comparison: Comparison,
): FileStat {
  const path = now?.path ?? old?.path ?? "";
  const name = isRename && old ? movedName(old.path, path) : gitName(path);
  const isBinary = comparison.kind === "binary";
  const runs = comparison.kind === "text" ? comparison.runs : [];
  const changed = runs.filter(({ isSame }) => !isSame);
  return {
    name,
    insertions: changed.reduce((sum, run) => sum + run.now.length, 0),
    deletions: changed.reduce((sum, run) => sum + run.old.length, 0),
    ...isBinary && { sizes: [old?.size ?? 0, now?.size ?? 0] },
  };
}

/**
 * Returns the old and the new path of a file as git shortens them, such as
 * `src/{old => new}/file`.
 */
function movedName(old: string, now: string): string {
  const isPlain = [old, now].every((path) => gitName(path) === path);
  if (!isPlain) return `${gitName(old)} => ${gitName(now)}`;
  let start = 0;
  for (let at = 0; at < old.length && old[at] === now[at]; at++) {
    if (old[at] === "/") start = at + 1;
  }
  let end = 0;
  // The common suffix can begin with the slash at the end of the common prefix.
  const least = start > 0 ? start - 1 : 0;
  for (let count = 1;; count++) {
    const [one, other] = [old.length - count, now.length - count];
    if (one < least || other < least || old[one] !== now[other]) break;
    if (old[one] === "/") end = count;
  }
  const middle = [old, now].map((path) =>
    path.slice(start, Math.max(start, path.length - end))
  ).join(" => ");
  if (start + end === 0) return middle;
  return `${old.slice(0, start)}{${middle}}${old.slice(old.length - end)}`;
}

/**
 * The width of the table in columns, if the output is not a terminal or the
 * width of the terminal is unknown.
 */
const DEFAULT_COLUMNS = 80;

/** Yields the lines of a table like the one that `git diff --stat` prints. */
export function* statLines(stats: readonly FileStat[]): Generator<string> {
  if (stats.length === 0) return;
  const most = stats.reduce(
    (most, { insertions, deletions }) => Math.max(most, insertions + deletions),
    0,
  );
  const hasBinary = stats.some(({ sizes }) => sizes !== undefined);
  const digits = Math.max(String(most).length, hasBinary ? 3 : 0);
  const [names, graph] = widths(stats, most, digits);
  for (const stat of stats) {
    const { name, insertions, deletions, sizes } = stat;
    const start = ` ${fitName(name, names).padEnd(names)} | `;
    if (sizes !== undefined) {
      const [old, now] = sizes;
      const [from, to] = [paint("red", `${old}`), paint("green", `${now}`)];
      yield `${start}${"Bin".padStart(digits)} ${from} -> ${to} bytes`;
      continue;
    }
    const [more, less] = scaled(insertions, deletions, graph, most);
    const signs = [
      more > 0 ? paint("green", "+".repeat(more)) : "",
      less > 0 ? paint("red", "-".repeat(less)) : "",
    ].join("");
    const count = String(insertions + deletions).padStart(digits);
    yield `${start}${count}${signs && ` ${signs}`}`;
  }
  yield summary(stats);
}

/** Returns the widths of the names and of the `+` and `-` signs, in columns. */
function widths(
  stats: readonly FileStat[],
  most: number,
  digits: number,
): [names: number, graph: number] {
  const columns = process.stdout.isTTY
    ? process.stdout.columns || DEFAULT_COLUMNS
    : DEFAULT_COLUMNS;
  const width = Math.max(columns, 16 + 6 + digits);
  let names = stats.reduce((most, { name }) => Math.max(most, name.length), 0);
  let graph = most;
  if (names + digits + 6 + graph <= width) return [names, graph];
  const share = Math.floor(width * 3 / 8) - digits - 6;
  if (graph > share) graph = Math.max(share, 6);
  if (names > width - digits - 6 - graph) names = width - digits - 6 - graph;
  else graph = width - digits - 6 - names;
  return [names, graph];
}

/**
 * Returns a name of at most `columns` characters as it is, and shortens a
 * longer name to `...` and its end. If possible, this end begins with a `/`.
 */
function fitName(name: string, columns: number): string {
  if (name.length <= columns) return name;
  const end = name.slice(name.length - columns + 3);
  const slash = end.indexOf("/");
  return `...${slash < 0 ? end : end.slice(slash)}`;
}

/**
 * Returns the numbers of `+` and `-` signs for a file. `most` is the largest
 * number of changed lines in any file. If `most` is larger than `columns`, the
 * numbers are scaled down so that `columns` signs stand for `most` lines.
 */
function scaled(
  insertions: number,
  deletions: number,
  columns: number,
  most: number,
): [number, number] {
  if (most <= columns) return [insertions, deletions];
  const scale = (count: number) =>
    count === 0 ? 0 : 1 + Math.floor(count * (columns - 1) / most);
  const isBoth = insertions > 0 && deletions > 0;
  const all = Math.max(scale(insertions + deletions), isBoth ? 2 : 0);
  if (insertions < deletions) {
    const more = scale(insertions);
    return [more, all - more];
  }
  const less = scale(deletions);
  return [all - less, less];
}

/** Returns the last line of the table, with the sums for all files. */
function summary(stats: readonly FileStat[]): string {
  const insertions = stats.reduce((sum, stat) => sum + stat.insertions, 0);
  const deletions = stats.reduce((sum, stat) => sum + stat.deletions, 0);
  const parts = [`${plural(stats.length, "file")} changed`];
  if (insertions > 0 || deletions === 0) {
    parts.push(`${insertions} insertion${insertions === 1 ? "" : "s"}(+)`);
  }
  if (deletions > 0 || insertions === 0) {
    parts.push(`${deletions} deletion${deletions === 1 ? "" : "s"}(-)`);
  }
  return ` ${parts.join(", ")}`;
}
