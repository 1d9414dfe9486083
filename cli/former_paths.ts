import { existsSync } from "node:fs";
import { truePlace } from "../lib/tree/mod.ts";
import type { Repository } from "../mod.ts";

/**
 * Returns the former paths of a moved directory, as its snapshots record them.
 * The first snapshot after a move names the last snapshot before the move as
 * its parent, or in `follows` if that snapshot was damaged. A path is not
 * returned if another directory is there now, or if the path has snapshots or
 * safety snapshots from after the move, because these belong to another
 * directory.
 *
 * @param repository The repository with the directory's snapshots.
 * @param directory The path of the directory, as its snapshots have it.
 */
export async function formerPaths(
  repository: Repository,
  directory: string,
): Promise<string[]> {
  const records = await repository.snapshots({ onDamage: () => {} });
  const directories = new Map(records.map((one) => [one.id, one.directory]));
  const isReused = async (path: string, moved: string) => {
    if (existsSync(path) && truePlace(path) !== directory) return true;
    const safety = await repository.safetySnapshots(path);
    return [...records, ...safety].some((one) =>
      one.directory === path && one.id > moved
    );
  };
  const paths = new Set([directory]);
  // The loop also reaches the paths that are added to the set during the loop.
  for (const path of paths) {
    for (const { id, directory: to, parent, follows = parent } of records) {
      const from = to === path && follows && directories.get(follows);
      if (from && !paths.has(from) && !await isReused(from, id)) {
        paths.add(from);
      }
    }
  }
  paths.delete(directory);
  return [...paths];
}
