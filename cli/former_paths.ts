import { existsSync } from "node:fs";
import type { Repository } from "../mod.ts";

/**
 * Returns the former paths of a moved directory, as far as its snapshots record
 * them: the first snapshot after a move has the last snapshot before the move
 * as its parent. A path at which there is a directory now is not a former path,
 * because that directory needs its restores.
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
  const paths = new Set([directory]);
  // A set also iterates over the paths that are added meanwhile.
  for (const path of paths) {
    for (const { directory: to, parent, follows = parent } of records) {
      const from = to === path && follows && directories.get(follows);
      if (from && !existsSync(from)) paths.add(from);
    }
  }
  paths.delete(directory);
  return [...paths];
}
