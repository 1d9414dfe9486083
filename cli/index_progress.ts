import type { IndexProgress } from "../lib/tree/mod.ts";
import { formatBytes, formatCount, plural } from "../shared/text.ts";
import type { Console } from "./console.ts";

/**
 * Shows the progress of reading a directory. Unchanged files are not read, so
 * their bytes do not count.
 *
 * @param part The name of this part of the work, shown before the progress.
 */
export function tellIndexProgress(
  out: Console,
  progress: IndexProgress,
  part?: string,
): void {
  const { entries, allEntries, read, allRead, path } = progress;
  out.progress(
    () =>
      (part === undefined ? "" : `${part}, `) +
      (allEntries === undefined || allRead === undefined
        ? `${plural(entries, "entry", "entries")}, ${formatBytes(read)} read`
        : `${formatCount(entries)} of ${formatCount(allEntries)} entries, ` +
          `${formatBytes(read)} of ${formatBytes(allRead)} read`),
    path,
    { bytes: read, allBytes: allRead },
  );
}
