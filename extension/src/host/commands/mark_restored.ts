import type { BigIntStats } from "node:fs";
import { lstat, lutimes } from "node:fs/promises";

/**
 * Runs work that restores files. Then sets the time of those of the given files
 * that were replaced or created to now, even if the work failed. A file that is
 * restored with an old time looks unchanged to VS Code, which would overwrite
 * the file without asking if its editor was not reloaded.
 *
 * @param places The paths of the files that are open in editors.
 * @param restore The work.
 */
export async function markRestored<Result>(
  places: readonly string[],
  restore: () => Promise<Result>,
): Promise<Result> {
  const before = await Promise.all(places.map(stat));
  try {
    return await restore();
  } finally {
    const now = new Date();
    await Promise.all(places.map(async (place, at) => {
      const file = await stat(place);
      if (file === undefined || !isReplaced(file, before[at])) return;
      // The file may belong to another user.
      await lutimes(place, now, now).catch(() => {});
    }));
  }
}

/** Returns the state of a file, or `undefined` if it cannot be read. */
function stat(place: string): Promise<BigIntStats | undefined> {
  return lstat(place, { bigint: true }).catch(() => undefined);
}

/**
 * Returns whether a file has been replaced. A restore replaces a file with a
 * new one if the content differs, and otherwise changes the mode or time of the
 * same file.
 */
function isReplaced(file: BigIntStats, before: BigIntStats | undefined) {
  return file.ino !== before?.ino || file.size !== before.size;
}
