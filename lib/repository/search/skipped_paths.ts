import type { SnapshotRecord } from "../format/snapshot_record.ts";
import type { LayerReaders } from "./layer_readers.ts";

/**
 * Returns a function that returns whether a snapshot skipped or excluded a path
 * or a folder above it.
 *
 * @param readers The readers of layers.
 * @param record The snapshot. Its last layer lists the skipped and excluded
 * paths.
 */
export async function skippedIn(
  readers: LayerReaders,
  record: SnapshotRecord,
): Promise<(path: string) => boolean> {
  const skipped = await readers.of(record).at(-1)?.skipped() ?? [];
  const paths = new Set(skipped.map(({ path }) => path));
  return (path) => {
    if (paths.size === 0) return false;
    for (let end = path.length; end > 0; end = path.lastIndexOf("/", end - 1)) {
      if (paths.has(path.slice(0, end))) return true;
    }
    return false;
  };
}
