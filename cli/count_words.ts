import type { SnapshotRecord } from "../mod.ts";
import { formatBytes, pipesAndDevices, plural } from "../shared/text.ts";

type Counts = Pick<
  SnapshotRecord["counts"],
  "files" | "directories" | "links" | "special" | "bytes"
>;

/**
 * Returns the numbers of entries and the size of their content as a text:
 * "3 files, 1 directory, 1.50 MB".
 */
export function countWords(
  { files, directories, links, special, bytes }: Counts,
): string {
  return [
    plural(files, "file"),
    plural(directories, "directory", "directories"),
    ...links > 0 ? [plural(links, "link")] : [],
    ...special ? [pipesAndDevices(special)] : [],
    formatBytes(bytes),
  ].join(", ");
}
