import { Dir } from "../../../mod.ts";
import type { FolderConfig } from "../shared/protocol.ts";

/**
 * Returns the `Dir` of a folder, with its exclude rules. If `originals` is
 * given, a snapshot stores the copies in the folder `originals` in place of the
 * files that have changed since the copies were made.
 */
export function dirOf(
  config: FolderConfig,
  originals?: string,
): Dir {
  const { excludes, gitignore, excludeCaches, excludeLargerThan } = config;
  return new Dir(config.directory, {
    excludes,
    gitignore,
    excludeCaches,
    excludeLargerThan,
    neverTouch: [config.repository, ...untouchedFolders(config)],
    ...(originals !== undefined && { originals }),
  });
}

/**
 * Returns the cache and the extension's own folders, which snapshots and
 * restores leave out.
 */
export function untouchedFolders(
  { cache, ownFolders = [] }: FolderConfig,
): string[] {
  return [cache, ...ownFolders];
}
