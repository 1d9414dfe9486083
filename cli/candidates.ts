import { readFileSync } from "node:fs";
import { Repository, type SnapshotRecord } from "../mod.ts";
import { nearbyStorage } from "./read_only.ts";
import { formatDate, treePath } from "./text.ts";

/** A word that may stand at the cursor. */
export interface Candidate {
  /** The whole word, unquoted. */
  word: string;
  /** What it is, for shells that show it. */
  about?: string;
}

/** For how long the records of snapshots are read, in milliseconds. */
const READING = 50;

/** A repository, by what this machine has of it; nothing in it is changed. */
function open(location: string): Promise<Repository> {
  return Repository.open(nearbyStorage(location), { onDamage: () => {} });
}

/**
 * The names of snapshots in a repository.
 *
 * @param kind Of all, with what else names them; only labels; or removed ones.
 */
export async function named(
  kind: "snapshots" | "labels" | "removed",
  location: string,
): Promise<Candidate[]> {
  const repository = await open(location);
  if (kind === "removed") return await idsIn(repository, "removed/");
  const ids = await idsIn(repository, "snapshots/");
  const records = await newestRecords(repository, ids);
  const labels = records.filter(({ label }) => label)
    .map(({ label, time }) => ({ word: label!, about: formatDate(time) }));
  if (kind === "labels") return labels;
  const about = new Map(records.map(({ id, time, label }) => [
    id,
    [formatDate(time), label].filter(Boolean).join("  "),
  ]));
  const latest = ids.find(({ word }) => !word.endsWith("-safety"));
  return [
    ...latest ? [{ word: "latest", about: about.get(latest.word) }] : [],
    ...ids.map(({ word }) => ({ word, about: about.get(word) })),
  ];
}

/** The records of the newest snapshots, as many as are read in a moment. */
async function newestRecords(
  repository: Repository,
  ids: readonly Candidate[],
): Promise<SnapshotRecord[]> {
  const records: SnapshotRecord[] = [];
  const end = performance.now() + READING;
  for (const { word } of ids) {
    if (performance.now() > end) break;
    try {
      records.push(await repository.find(word));
    } catch {
      // A damaged one is named by its id only.
    }
  }
  return records;
}

/** The ids in the names of a folder's records, the newest first. */
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

/** The paths of a snapshot that a typed one may become: of one folder. */
export async function pathsIn(
  location: string,
  snapshot: string,
  typed: string,
): Promise<Candidate[]> {
  const repository = await open(location);
  const record = await repository.find(snapshot);
  const folder = typed.slice(0, typed.lastIndexOf("/") + 1);
  const within = treePath(folder);
  const found: Candidate[] = [];
  const parts = repository.entries(record, { within, isShallow: true });
  for await (const entries of parts) {
    for (const { path, kind } of entries) {
      const name = path.slice(path.lastIndexOf("/") + 1);
      const word = folder + name + (kind === "directory" ? "/" : "");
      if (word.startsWith(typed)) found.push({ word });
    }
  }
  return found;
}

/** The backups that a configuration names. */
export function backupNames(file: string): Candidate[] {
  const { backups } = JSON.parse(readFileSync(file, "utf8"));
  return Object.keys(backups).map((word) => ({
    word,
    about: String(backups[word]?.directory ?? ""),
  }));
}
