import type { BigIntStats } from "node:fs";
import { lstat, lutimes } from "node:fs/promises";

/**
 * Runs a restore. Afterwards, even if the restore failed, sets the modification
 * times of the given files that were replaced or created to the current time.
 * Otherwise, a restored file with an old time would look unchanged to VS Code,
 * and an editor that has not reloaded the file could overwrite it without
 * asking the user.
 *
 * @param places The absolute paths of the files that are open in editors.
 * @param restore The function that restores the files.
 * @returns The result of `restore`.
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
      // The time of another user's file cannot be set. The file is restored all
      // the same, so the error is ignored.
      await lutimes(place, now, now).catch(() => {});
    }));
  }
}

/** Returns the state of a file, or `undefined` if it cannot be read. */
function stat(place: string): Promise<BigIntStats | undefined> {
  return lstat(place, { bigint: true }).catch(() => undefined);
}

/**
 * Returns whether a restore has replaced or created a file. A restore replaces
 * a file with a new one if the content differs, and otherwise changes the mode
 * or time of the same file.
 */
function isReplaced(file: BigIntStats, before: BigIntStats | undefined) {
  return file.ino !== before?.ino || file.size !== before.size;
}
