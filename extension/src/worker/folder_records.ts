import type { Repository, SnapshotRecord } from "../../../mod.ts";
import { isOfMachine } from "../../../lib/repository/mod.ts";
import type { FolderConfig } from "../shared/protocol.ts";
import { thisMachine } from "./machine.ts";

/**
 * Returns the snapshots of a folder without safety snapshots, the oldest first,
 * including those of the folder's former paths.
 */
export async function recordsOf(
  repository: Repository,
  config: FolderConfig,
): Promise<SnapshotRecord[]> {
  const records = await repository.snapshots({ onDamage: () => {} });
  return ownAmong(records, config, (await thisMachine()).id);
}

/**
 * Returns the snapshots of a folder among all snapshots of its repository,
 * without safety snapshots.
 *
 * A repository has the snapshots of one folder. If the folder was moved, its
 * snapshots are under several paths. A path is a former path of the folder if
 * all snapshots of the path are older than those of the current path. If the
 * folder was moved back, a path with newer snapshots is also a former path if
 * one of its snapshots is the parent or the child of a snapshot of the current
 * path or of another former path.
 *
 * Several machines can use a repository if their folders have the same path.
 * Snapshots that another machine took at the current path are included, but a
 * move on another machine says nothing about this folder, so snapshots at
 * former paths are only included if this machine took them.
 *
 * @param records The snapshots of the repository, the oldest first.
 * @param config The configuration of the folder.
 * @param machine The id of this machine.
 */
export function ownAmong(
  records: readonly SnapshotRecord[],
  config: FolderConfig,
  machine: string,
): SnapshotRecord[] {
  const { directory } = config;
  const taken = records.filter(({ safety }) => safety === undefined);
  const here = taken.filter((record) => isOfMachine(record, machine));
  const moved = new Set(here.filter(isOfFormerPath(here, directory)));
  return taken.filter((record) =>
    record.directory === directory || moved.has(record)
  );
}

/**
 * Returns a function that returns whether a snapshot is at a former path of a
 * folder.
 *
 * @param taken The snapshots of one machine, the oldest first.
 * @param directory The path of the folder.
 */
function isOfFormerPath(
  taken: readonly SnapshotRecord[],
  directory: string,
): (record: SnapshotRecord) => boolean {
  const first = taken.findIndex((record) => record.directory === directory);
  if (first < 0) return () => true;
  const later = new Set(taken.slice(first).map((record) => record.directory));
  later.delete(directory);
  if (later.size === 0) return () => true;
  const directories = new Map(taken.map((one) => [one.id, one.directory]));
  const moves = taken.flatMap(({ parent = "", directory: to }) => {
    const from = directories.get(parent);
    return from === undefined || from === to ? [] : [[from, to]];
  });
  for (let left = later.size + 1; left > later.size;) {
    left = later.size;
    for (const [from, to] of moves) {
      if (!later.has(from)) later.delete(to);
      else if (!later.has(to)) later.delete(from);
    }
  }
  return (record) => !later.has(record.directory);
}

/**
 * Returns the safety snapshots of a folder, including those of its former
 * paths, among all snapshots of its repository. As in `ownAmong`, those at
 * former paths are only included if this machine took them.
 *
 * @param records The snapshots of the repository.
 * @param own The snapshots of the folder, as `ownAmong` returns them.
 * @param config The configuration of the folder.
 * @param machine The id of this machine.
 */
export function safetyAmong(
  records: readonly SnapshotRecord[],
  own: readonly SnapshotRecord[],
  { directory }: FolderConfig,
  machine: string,
): SnapshotRecord[] {
  const paths = new Set(own.map((record) => record.directory));
  return records.filter((record) =>
    record.safety !== undefined &&
    (record.directory === directory ||
      paths.has(record.directory) && isOfMachine(record, machine))
  );
}
