import { posix } from "node:path";
import { distance } from "fastest-levenshtein";
import {
  DeltarError,
  type FindOptions,
  pathBelow,
  type Repository,
  type SnapshotRecord,
} from "../mod.ts";
import type { Begun } from "./begin.ts";
import { showPath, treePath } from "./text.ts";

/** More edits than this are another name. */
const MOST_EDITS = 3;

/** The longest path, in characters, that is compared with others. */
const MOST_COMPARED = 256;

/** The help on a snapshot's name. */
export const SNAPSHOT_HELP =
  "an id or its beginning or end, a label, a date, latest, latest~N";

/** The same where a folder may follow. */
export const FOLDER_HELP = `${SNAPSHOT_HELP}; :FOLDER may follow`;

/** The snapshot that a user names, or where to look for its name. */
export async function findSnapshot(
  { repository, place }: Pick<Begun, "repository" | "place">,
  name: string,
  options?: FindOptions,
): Promise<SnapshotRecord> {
  return await pointing(() =>
    repository.find(name, { directory: place, ...options })
  );
}

/** A snapshot that a user names, and how paths in it are meant. */
export interface Named {
  record: SnapshotRecord;
  /** The folder that was named with it, `""` for the root. */
  folder: string;
  /**
   * Where the user stands in the directory that the snapshot is of, `""` for
   * its root or elsewhere: paths are below that.
   */
  below: string;
}

/** The snapshot that `SNAPSHOT` or `SNAPSHOT:FOLDER` names. */
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
  const below = path === "" ? pathBelow(record.directory, place) : "";
  return { record, folder: path, below: below ?? "" };
}

/**
 * The path in a snapshot that a user names: below the folder that was named
 * with it, else below where the user stands if it is there, else below the
 * root.
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

/** A path that a user types, below a folder of a snapshot. */
export function joinPath(folder: string, word: string): string {
  return treePath(posix.join(folder, treePath(word)));
}

/** Adds to an error of a snapshot's name where to look for names. */
async function pointing<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    const isNamed = error instanceof DeltarError && error.code === "not-found";
    if (!isNamed) throw error;
    const what = `${error.message}; \`deltar list\` shows what there is, and ` +
      "`--dir` names the directory that is meant";
    throw new DeltarError(error.code, what);
  }
}

/** Whether there is anything at or below a path of a snapshot. */
async function hasPath(
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
 * Refuses a path that is in none of some snapshots.
 *
 * @throws {DeltarError} `not-found`, with the path that may have been meant.
 */
export async function checkPath(
  repository: Repository,
  records: readonly SnapshotRecord[],
  path: string,
): Promise<void> {
  for (const record of records) {
    if (await hasPath(repository, record, path)) return;
  }
  const last = records.at(-1);
  if (last === undefined) return;
  await suggesting(repository, last, () => {
    const place = { object: last.id, path };
    throw new DeltarError("not-found", "it is not in this snapshot", place);
  });
}

/**
 * Does some work on paths of a snapshot; if one of them is not there, the error
 * says which path might have been meant.
 *
 * @param repository The repository.
 * @param record The snapshot.
 * @param work What is done.
 */
export async function suggesting<Result>(
  repository: Repository,
  record: SnapshotRecord,
  work: () => Promise<Result>,
): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    const { code, path } = error as DeltarError;
    if (!(error instanceof DeltarError) || code !== "not-found" || !path) {
      throw error;
    }
    const similar = await findSimilar(repository, record, path);
    if (similar === undefined || similar === path) throw error;
    const what = `it is not in this snapshot; did you mean ${
      showPath(similar)
    }?`;
    throw new DeltarError(code, what, { object: record.id, path });
  }
}

/** The path of a snapshot that is most like one, if any is much like it. */
async function findSimilar(
  repository: Repository,
  record: SnapshotRecord,
  path: string,
): Promise<string | undefined> {
  // Comparing takes as many steps as the product of the lengths.
  if (path.length > MOST_COMPARED) return undefined;
  const { entries } = await repository.tree(record);
  let best: string | undefined;
  let least = Math.min(MOST_EDITS, path.length / 2);
  for (const entry of entries) {
    if (Math.abs(entry.path.length - path.length) > least) {
      // The same name in another folder.
      if (entry.path.endsWith(`/${path}`)) best ??= entry.path;
      continue;
    }
    const edits = distance(entry.path, path);
    if (edits > least || (edits === least && best !== undefined)) continue;
    [best, least] = [entry.path, edits];
  }
  return best;
}
