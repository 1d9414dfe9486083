import { posix } from "node:path";
import { distance } from "fastest-levenshtein";
import {
  DeltarError,
  type FindOptions,
  type Repository,
  type SnapshotRecord,
} from "../mod.ts";
import { belowOf } from "../lib/repository/mod.ts";
import { isWithin, parsePath, spellPath } from "../lib/tree/mod.ts";
import type { Begun } from "./begin.ts";
import { showPath, treePath, trimPath } from "./text.ts";

/**
 * The maximum edit distance between a typed path and a similar path. For a
 * typed path of fewer than six characters, the maximum is half its length.
 */
const MAX_EDITS = 3;

/**
 * The maximum length, in characters, of a path for which a similar path is
 * suggested.
 */
const MAX_COMPARED_LENGTH = 256;

/** The help text of an argument that names a snapshot. */
export const SNAPSHOT_HELP =
  "An id, its beginning or end, a label, a date, latest or latest~N";

/** The help text of an argument that names a snapshot or a folder in one. */
export const FOLDER_HELP = `${SNAPSHOT_HELP}; also SNAPSHOT:FOLDER`;

/** Returns the snapshot that a user names. */
export async function findSnapshot(
  { repository, place }: Pick<Begun, "repository" | "place">,
  name: string,
  options?: FindOptions,
): Promise<SnapshotRecord> {
  return await pointing(() =>
    repository.find(name, { directory: place, ...options })
  );
}

/**
 * A snapshot that a user names, and the folder that typed paths are relative
 * to.
 */
export interface Named {
  record: SnapshotRecord;
  /** The folder of `SNAPSHOT:FOLDER`, `""` for the root. */
  folder: string;
  /**
   * The path of the current directory, relative to the snapshot's directory. It
   * is `""` if `folder` is not the root, or if the current directory is the
   * snapshot's directory or outside of it.
   */
  below: string;
}

/** Returns the snapshot, and the folder in it, that the user names. */
export async function findFolder(
  { repository, place }: Pick<Begun, "repository" | "place">,
  name: string,
  options?: FindOptions,
): Promise<Named> {
  const { record, folder } = await pointing(() =>
    repository.findFolder(name, { directory: place, ...options })
  );
  const path = treePath(folder);
  if (path !== "") await checkPath(repository, [record], path);
  const below = path === "" ? belowOf(record, place) : "";
  return { record, folder: path, below: below ?? "" };
}

/**
 * Returns the path, relative to the root of a snapshot, for a path that a user
 * typed. With `SNAPSHOT:FOLDER`, the typed path is relative to the folder.
 * Otherwise, it is relative to the current directory or, if the snapshot has
 * the typed path only in its root, to the root.
 */
export async function pathIn(
  repository: Repository,
  { record, folder, below }: Named,
  word: string,
): Promise<string> {
  const path = joinPath(folder || below, word);
  if (folder !== "" || below === "") return path;
  const fromRoot = joinPath("", word);
  const isThere = await hasPath(repository, record, path);
  return !isThere && await hasPath(repository, record, fromRoot)
    ? fromRoot
    : path;
}

/** Joins a folder of a snapshot and a path that a user typed. */
export function joinPath(folder: string, word: string): string {
  // Bytes that are not valid UTF-8 are escaped, because `join` replaces them in
  // Bun.
  const path = posix.join(spellPath(folder), spellPath(treePath(word)));
  return trimPath(parsePath(path));
}

/**
 * Calls a function that finds a snapshot. If the function throws `not-found`,
 * adds advice to the error.
 */
async function pointing<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    const isNamed = error instanceof DeltarError && error.code === "not-found";
    if (!isNamed) throw error;
    const what = `${error.message}. \`deltar list\` lists the snapshots. ` +
      "To use the snapshots of another directory, add `--dir`.";
    throw new DeltarError(error.code, what);
  }
}

/**
 * Returns whether a snapshot has an entry at or below a path. Always returns
 * `true` for the root, even if the snapshot is empty.
 */
export async function hasPath(
  repository: Repository,
  record: SnapshotRecord,
  path: string,
): Promise<boolean> {
  for await (const entries of repository.entries(record, { within: path })) {
    if (entries.length > 0) return true;
  }
  return path === "";
}

/**
 * Checks that at least one of several snapshots has a path.
 *
 * @param repository The repository that has the snapshots.
 * @param records The snapshots. Nothing is checked if the array is empty.
 * @param path The path, relative to the root.
 * @param within The folder in which a similar path is looked for. See
 * `suggesting`.
 * @throws {DeltarError} `not-found` if no snapshot has the path. The message
 * suggests a similar path in the last of the snapshots, if there is one.
 */
export async function checkPath(
  repository: Repository,
  records: readonly SnapshotRecord[],
  path: string,
  within = "",
): Promise<void> {
  for (const record of records) {
    if (await hasPath(repository, record, path)) return;
  }
  const last = records.at(-1);
  if (last === undefined) return;
  await suggesting(repository, last, () => {
    const place = { object: last.id, path };
    throw new DeltarError("not-found", "not in this snapshot", place);
  }, within);
}

/**
 * Calls a function that uses paths of a snapshot. If the function throws
 * `not-found` because the snapshot does not have a path, the error suggests a
 * similar path, if there is one.
 *
 * @param repository The repository that has the snapshot.
 * @param record The snapshot in which a similar path is looked for.
 * @param work Called once, without arguments. Uses paths of the snapshot.
 * @param within The folder in which a similar path is looked for. The paths in
 * the error are relative to this folder. Default: `""`, the root.
 */
export async function suggesting<Result>(
  repository: Repository,
  record: SnapshotRecord,
  work: () => Promise<Result>,
  within = "",
): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    const { code, path } = error as DeltarError;
    if (!(error instanceof DeltarError) || code !== "not-found" || !path) {
      throw error;
    }
    const similar = await findSimilar(repository, record, path, within);
    const isKnown = similar === undefined || similar === path;
    if (isKnown && within === "") throw error;
    const cut = (whole: string) =>
      within === "" ? whole : whole.slice(within.length + 1);
    const what = isKnown
      ? "not in this snapshot"
      : `not in this snapshot; did you mean ${showPath(cut(similar))}?`;
    throw new DeltarError(code, what, { object: record.id, path: cut(path) });
  }
}

/**
 * Returns the path in a snapshot that is most similar to a typed path, or else
 * the first path that ends in the typed path, if there is one. Only paths in
 * the folder `within` are compared.
 */
async function findSimilar(
  repository: Repository,
  record: SnapshotRecord,
  path: string,
  within: string,
): Promise<string | undefined> {
  // The time of a comparison is proportional to the product of the lengths of
  // the two paths, so a very long path is not compared.
  if (path.length > MAX_COMPARED_LENGTH) return undefined;
  const { entries } = await repository.tree(record);
  let best: string | undefined;
  let least = Math.min(MAX_EDITS, path.length / 2);
  const end = within === "" ? path : path.slice(within.length + 1);
  for (const entry of entries) {
    if (!isWithin(entry.path, within) || entry.path === within) continue;
    if (Math.abs(entry.path.length - path.length) > least) {
      // The user might have typed only the end of the path, such as `notes.txt`
      // for `docs/notes.txt`.
      if (entry.path.endsWith(`/${end}`)) best ??= entry.path;
      continue;
    }
    const edits = distance(entry.path, path);
    if (edits > least || (edits === least && best !== undefined)) continue;
    [best, least] = [entry.path, edits];
  }
  return best;
}
