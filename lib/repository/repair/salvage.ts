import type { Storage } from "../../storage/storage.ts";
import type { Metadata, Skipped } from "../../tree/entry.ts";
import { comparePaths } from "../../tree/path.ts";
import { LayerReader } from "../layers/layer_reader.ts";
import type {
  ObjectRecord,
  SnapshotRecord,
} from "../format/snapshot_record.ts";
import type { TreeEntry } from "../layers/tree_layer.ts";

/** A range of paths in path order. The entries of these paths are lost. */
export interface LostRange {
  /** The start of the range. No path in the range sorts before it. */
  from: string;
  /**
   * The end of the range. All paths in the range sort before it. Absent if the
   * range has no end.
   */
  to?: string;
}

/** The readable part of a tree with damaged layers. */
export interface SalvagedTree {
  /**
   * The entries that are known to be in the tree, and the folders above them,
   * by path. A folder whose entry is lost has the mode 0755, and the time and
   * owner of the root.
   */
  entries: Map<string, TreeEntry>;
  /** The objects that the readable frames list, by name. */
  objects: Map<string, ObjectRecord>;
  /**
   * The paths that the snapshot skipped or excluded, as far as they are known.
   */
  skipped: Skipped[];
  /** The ranges of paths that are lost. */
  lost: LostRange[];
}

/**
 * Merges the readable frames of a snapshot's layers. In the range of a lost
 * frame, the entries of lower layers are not used, because they might be
 * outdated.
 */
export async function salvageTree(
  storage: Storage,
  record: SnapshotRecord,
): Promise<SalvagedTree> {
  const entries = new Map<string, TreeEntry>();
  const objects = new Map<string, ObjectRecord>();
  const lost: LostRange[] = [];
  let skipped: Skipped[] = [];
  for (const layer of record.layers) {
    skipped = [];
    const unread: LostRange[] = [];
    for await (const frame of new LayerReader(storage, layer).salvage()) {
      const { part, from, to } = frame;
      if (part === undefined) {
        if (from === undefined) continue;
        unread.push({ from, ...to !== undefined && { to } });
        continue;
      }
      for (const line of part.lines) {
        if (line.kind === "gone") entries.delete(line.path);
        else entries.set(line.path, line);
      }
      for (const object of part.objects) objects.set(object.name, object);
      for (const skip of part.skipped) skipped.push(skip);
    }
    // Entries of lower layers in the lost ranges might be outdated, so they are
    // dropped. The lines read from this layer are outside these ranges.
    if (unread.length > 0) {
      for (const path of entries.keys()) {
        if (isWithinOne(path, unread)) entries.delete(path);
      }
    }
    for (const range of unread) lost.push(range);
  }
  return {
    entries: withFolders(entries, record.root),
    objects,
    skipped,
    lost,
  };
}

/**
 * Returns whether a path is within one of several ranges, which are in path
 * order.
 */
function isWithinOne(path: string, ranges: readonly LostRange[]): boolean {
  let low = -1;
  let high = ranges.length;
  while (high - low > 1) {
    const middle = low + high >>> 1;
    if (comparePaths(ranges[middle].from, path) <= 0) low = middle;
    else high = middle;
  }
  const to = ranges[low]?.to;
  return low >= 0 && (to === undefined || comparePaths(path, to) < 0);
}

/**
 * Returns the entries in path order, each preceded by the folders that contain
 * it. A folder without an entry gets the mode 0755, and the time and owner of
 * the root.
 */
function withFolders(
  entries: ReadonlyMap<string, TreeEntry>,
  { mtime, uid, gid }: Metadata,
): Map<string, TreeEntry> {
  const all = new Map(entries);
  for (const path of entries.keys()) {
    for (let at = path.indexOf("/"); at > 0; at = path.indexOf("/", at + 1)) {
      const folder = path.slice(0, at);
      if (all.has(folder)) continue;
      const metadata = { mode: 0o755, mtime, uid, gid, size: 0 };
      all.set(folder, { path: folder, kind: "directory", ...metadata });
    }
  }
  return new Map(
    [...all].sort(([one], [other]) => comparePaths(one, other)),
  );
}
