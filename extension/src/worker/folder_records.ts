import type { Repository, SnapshotRecord } from "../../../mod.ts";
import type { FolderConfig } from "../shared/protocol.ts";

/**
 * Returns the snapshots of a folder and of its former paths, the oldest first,
 * without safety snapshots.
 */
export async function recordsOf(
  repository: Repository,
  config: FolderConfig,
): Promise<SnapshotRecord[]> {
  const records = await repository.snapshots({ onDamage: () => {} });
  return ownAmong(records, config);
}

/**
 * Returns the snapshots of a folder and of its former paths, without safety
 * snapshots.
 *
 * Usually, a repository has the snapshots of only one folder. If the folder was
 * moved, its snapshots are under several paths. A path is a former path of the
 * folder if all snapshots of the path are older than those of the current path,
 * or if the current path has no snapshots. If the folder was moved back, a path
 * with newer snapshots is also a former path if one of its snapshots is the
 * parent or the child of a snapshot of the current path or of another former
 * path.
 *
 * @param records All snapshots of the repository, the oldest first.
 */
export function ownAmong(
  records: readonly SnapshotRecord[],
  { directory }: FolderConfig,
): SnapshotRecord[] {
  const taken = records.filter(({ safety }) => safety === undefined);
  const first = taken.findIndex((record) => record.directory === directory);
  if (first < 0) return taken;
  const later = new Set(taken.slice(first).map((record) => record.directory));
  later.delete(directory);
  if (later.size === 0) return taken;
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
  return taken.filter((record) => !later.has(record.directory));
}

/**
 * Returns the safety snapshots of a folder and of its former paths.
 *
 * @param records All snapshots of the repository.
 * @param own The snapshots of the folder, as `ownAmong` returns them.
 * @param config The configuration of the folder.
 */
export function safetyAmong(
  records: readonly SnapshotRecord[],
  own: readonly SnapshotRecord[],
  { directory }: FolderConfig,
): SnapshotRecord[] {
  const paths = new Set(own.map((record) => record.directory)).add(directory);
  return records.filter((record) =>
    record.safety !== undefined && paths.has(record.directory)
  );
}
