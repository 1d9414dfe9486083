import { Dir } from "../../../mod.ts";
import type { FolderConfig } from "../shared/protocol.ts";

/**
 * Returns the `Dir` of a folder, with its exclude rules. If `originals` is
 * given, a snapshot stores the copies in the folder `originals` in place of the
 * files that have changed since the copies were made.
 */
export function dirOf(
  { directory, repository, cache, ...rules }: FolderConfig,
  originals?: string,
): Dir {
  const { excludes, gitignore, excludeCaches, excludeLargerThan } = rules;
  return new Dir(directory, {
    excludes,
    gitignore,
    excludeCaches,
    excludeLargerThan,
    neverTouch: [repository, cache],
    ...(originals !== undefined && { originals }),
  });
}
