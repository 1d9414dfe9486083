import { readFileSync } from "node:fs";
import { Repository, type SnapshotRecord } from "../mod.ts";
import { belowOf } from "../lib/repository/mod.ts";
import { nearbyStorage } from "./read_only.ts";
import { spellPath } from "../lib/tree/mod.ts";
import { formatDate, treePath } from "./text.ts";

/** A word that can complete the line at the cursor. */
export interface Candidate {
  /** The whole word, unquoted. */
  word: string;
  /** The description, for shells that show descriptions. */
  about?: string;
}

/** The maximum time for which records are read, in milliseconds. */
const MAX_READING_MS = 50;

/** The repository and directory for which words are completed. */
export interface Where {
  /** The location of the repository. */
  location: string;
  /** The absolute path of the directory of the snapshots to use. */
  place: string;
}

/**
 * Opens a repository for reading only. A remote repository is read from the
 * local cache, without the network. Throws if the repository is encrypted,
 * because no key is given.
 */
function open({ location }: Where): Promise<Repository> {
  return Repository.open(nearbyStorage(location), { onDamage: () => {} });
}

/**
 * Returns the words that name snapshots: `latest`, the labels of the newest
 * snapshots, and all ids. If a snapshot and a colon are typed, also returns
 * each `SNAPSHOT:FOLDER/` that completes the typed word.
 */
export async function snapshotNames(
  where: Where,
  typed: string,
): Promise<Candidate[]> {
  const repository = await open(where);
  const ids = await idsIn(repository, "snapshots/");
  const records = await newestRecords(repository, ids);
  const about = new Map(records.map(({ id, time, label }) => [
    id,
    [formatDate(time), label].filter(Boolean).join("  "),
  ]));
  const isAny = ids.some(({ word }) => !word.endsWith("-safety"));
  return [
    ...isAny
      ? [{ word: "latest", about: "The last snapshot of this directory" }]
      : [],
    ...labelsOf(records),
    ...ids.map(({ word }) => ({ word, about: about.get(word) })),
    ...await foldersBehind(where, typed),
  ];
}

/** Returns the labels of the newest snapshots, read by `newestRecords`. */
export async function labelNames(where: Where): Promise<Candidate[]> {
  const repository = await open(where);
  const ids = await idsIn(repository, "snapshots/");
  return labelsOf(await newestRecords(repository, ids));
}

/** Returns the ids of removed snapshots. */
export async function removedIds(where: Where): Promise<Candidate[]> {
  return await idsIn(await open(where), "removed/");
}

function labelsOf(records: readonly SnapshotRecord[]): Candidate[] {
  return records.flatMap(({ label, time }) =>
    label ? [{ word: label, about: formatDate(time) }] : []
  );
}

/**
 * Returns the words that complete a typed `SNAPSHOT:FOLDER`, or an empty list
 * for any other text.
 */
async function foldersBehind(
  where: Where,
  typed: string,
): Promise<Candidate[]> {
  const [, snapshot, folder] = /^([^:]+):([^]*)$/.exec(typed) ?? [];
  if (snapshot === undefined) return [];
  try {
    const paths = await pathsIn(where, `${snapshot}:`, folder);
    return paths.filter(({ word }) => word.endsWith("/"))
      .map(({ word }) => ({ word: `${snapshot}:${word}` }));
  } catch {
    // A label can contain a colon, so the text before the colon might not name
    // a snapshot.
    return [];
  }
}

/**
 * Reads the records of the given ids in the given order, for about
 * `MAX_READING_MS`. Returns the records that were read in this time.
 */
async function newestRecords(
  repository: Repository,
  ids: readonly Candidate[],
): Promise<SnapshotRecord[]> {
  const records: SnapshotRecord[] = [];
  const end = performance.now() + MAX_READING_MS;
  for (const { word } of ids) {
    if (performance.now() > end) break;
    try {
      records.push(await repository.find(word));
    } catch {
      // For a damaged snapshot, only the id is offered.
    }
  }
  return records;
}

/**
 * Returns the ids of the records in a folder of the repository, newest first.
 */
async function idsIn(
  { storage }: Repository,
  folder: string,
): Promise<Candidate[]> {
  const ids: string[] = [];
  for await (const { name } of storage.list(folder)) {
    const id = name.slice(folder.length, -".json".length);
    if (/^\d{8}T\d{6}Z-[0-9a-f]{6}(?:-safety)?$/.test(id)) ids.push(id);
  }
  return ids.sort().reverse().map((word) => ({ word }));
}

/**
 * Returns the paths in a snapshot that complete a typed path.
 *
 * @param snapshot The snapshot or `SNAPSHOT:FOLDER`, as the user names it.
 * @param typed The typed path.
 */
export async function pathsIn(
  where: Where,
  snapshot: string,
  typed: string,
): Promise<Candidate[]> {
  const repository = await open(where);
  const { record, folder } = await repository
    .findFolder(snapshot, { directory: where.place });
  const isRoot = snapshot.endsWith(":");
  const below = isRoot ? "" : belowOf(record, where.place) ?? "";
  // Commands look for a path below the current directory first, and then below
  // the root of the snapshot.
  for (const base of new Set([folder || below, folder])) {
    const found = await entriesOf(repository, record, base, typed);
    if (found.length > 0) return found;
  }
  return [];
}

async function entriesOf(
  repository: Repository,
  record: SnapshotRecord,
  base: string,
  typed: string,
): Promise<Candidate[]> {
  const start = typed.slice(0, typed.lastIndexOf("/") + 1);
  const within = [base, treePath(start)].filter(Boolean).join("/");
  const found: Candidate[] = [];
  const parts = repository.entries(record, { within, isShallow: true });
  for await (const entries of parts) {
    for (const { path, kind } of entries) {
      const name = spellPath(path.slice(path.lastIndexOf("/") + 1));
      const word = start + name + (kind === "directory" ? "/" : "");
      if (word.startsWith(typed)) found.push({ word });
    }
  }
  return found;
}

/**
 * Returns the names of the backups in a configuration file, each with its
 * directory as the description.
 *
 * @param file The path of the configuration file.
 */
export function backupNames(file: string): Candidate[] {
  const { backups } = JSON.parse(readFileSync(file, "utf8"));
  return Object.keys(backups).map((word) => ({
    word,
    about: String(backups[word]?.directory ?? ""),
  }));
}
