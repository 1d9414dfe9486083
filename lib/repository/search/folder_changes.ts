import { changedFields } from "../../tree/changed_fields.ts";
import { comparePaths, isWithin } from "../../tree/path.ts";
import type { SnapshotRecord } from "../format/snapshot_record.ts";
import { mergeLayers } from "../layers/merge_layers.ts";
import type { LayerLine, TreeEntry } from "../layers/tree_layer.ts";
import { isEntry } from "../layers/tree_reader.ts";
import type { LayerReaders } from "./layer_readers.ts";
import { addedLayers } from "./renames.ts";
import { skippedIn } from "./skipped_paths.ts";

/**
 * The numbers of paths in a folder and its subfolders that changed between two
 * snapshots. A renamed file counts as created and as deleted. A path that one
 * of the two snapshots skipped or excluded does not count.
 */
export interface FolderChanges {
  /** The number of new paths. */
  created: number;
  /**
   * The number of changed paths. A folder of which only the time changed is not
   * counted.
   */
  updated: number;
  /** The number of deleted paths. */
  deleted: number;
}

/**
 * Counts the changes in a folder. Returns `undefined` if there are none.
 *
 * @param readers The readers of layers.
 * @param before The old snapshot.
 * @param now The new snapshot.
 * @param folder The path of the folder.
 */
export async function countChanges(
  readers: LayerReaders,
  before: SnapshotRecord,
  now: SnapshotRecord,
  folder: string,
): Promise<FolderChanges | undefined> {
  const counts = { created: 0, updated: 0, deleted: 0 };
  let skippedBefore: ((path: string) => boolean) | undefined;
  let skippedNow: ((path: string) => boolean) | undefined;
  for await (const [old, entry] of pathPairs(readers, before, now, folder)) {
    if (old !== undefined && entry !== undefined) {
      if (isChanged(entry, old)) counts.updated++;
    } else if (entry !== undefined) {
      skippedBefore ??= await skippedIn(readers, before);
      if (!skippedBefore(entry.path)) counts.created++;
    } else if (old !== undefined) {
      skippedNow ??= await skippedIn(readers, now);
      if (!skippedNow(old.path)) counts.deleted++;
    }
  }
  const { created, updated, deleted } = counts;
  return created + updated + deleted === 0 ? undefined : counts;
}

function isChanged(entry: TreeEntry, old: TreeEntry): boolean {
  return changedFields(entry, old).some((field) =>
    field !== "mtime" || entry.kind !== "directory"
  );
}

/**
 * The old and the new entry of a path; `undefined` where the path does not
 * exist.
 */
export type PathPair = [
  old: TreeEntry | undefined,
  entry: TreeEntry | undefined,
];

/**
 * Yields the old and the new entry of each path in a folder. Paths that are
 * known to be unchanged are omitted.
 */
export async function* pathPairs(
  readers: LayerReaders,
  before: SnapshotRecord,
  now: SnapshotRecord,
  folder: string,
): AsyncGenerator<PathPair> {
  const isWanted = (path: string) => path !== folder && isWithin(path, folder);
  const options = { within: folder, isDated: true };
  const merged = (some: ReturnType<LayerReaders["of"]>) =>
    mergeLayers(some.map((one) => one.select(isWanted, options)));
  const added = addedLayers(readers, before, now);
  if (added.length === now.layers.length) {
    // If the snapshots share no layer, no tombstones show which paths were
    // deleted, so both trees must be read.
    yield* joined(merged(readers.of(before)), merged(added));
    return;
  }
  const isParent = now.parent === before.id;
  for await (const lines of merged(added)) {
    for (const line of lines) {
      const { since } = line;
      // A line whose `since` is not newer than `before` was copied from an
      // earlier layer, and its path has not changed since `before`.
      if (isParent && since !== undefined && since <= before.id) continue;
      const old = await readers.find(before, line.path);
      yield [old, isEntry(line) ? line : undefined];
    }
  }
}

/** Yields the entries that each path has in two trees. */
async function* joined(
  before: AsyncIterable<readonly LayerLine[]>,
  now: AsyncIterable<readonly LayerLine[]>,
): AsyncGenerator<PathPair> {
  const olds = entriesOf(before);
  const entries = entriesOf(now);
  let [old, entry] = [await olds.next(), await entries.next()];
  while (!old.done || !entry.done) {
    const order = old.done
      ? 1
      : entry.done
      ? -1
      : comparePaths(old.value.path, entry.value.path);
    yield [
      order <= 0 ? old.value : undefined,
      order >= 0 ? entry.value : undefined,
    ];
    if (order <= 0) old = await olds.next();
    if (order >= 0) entry = await entries.next();
  }
}

async function* entriesOf(
  source: AsyncIterable<readonly LayerLine[]>,
): AsyncGenerator<TreeEntry, undefined> {
  for await (const lines of source) yield* lines.filter(isEntry);
  return undefined;
}
