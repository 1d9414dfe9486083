import { isWithin } from "../../tree/path.ts";
import type { SnapshotRecord } from "../format/snapshot_record.ts";
import { mergeLayers } from "../layers/merge_layers.ts";
import type { TreeFileEntry } from "../layers/tree_layer.ts";
import { isEntry } from "../layers/tree_reader.ts";
import type { LayerReaders } from "./layer_readers.ts";
import { newPathOf, oldPathOf } from "./renames.ts";

/**
 * The maximum number of files of a folder that are searched for under other
 * paths.
 */
const MAX_FOLLOWED_FILES = 8;

/**
 * Returns the old path of a renamed folder. The first files of the new folder
 * are searched for in the old snapshot. The deleted folder that had the largest
 * number of them, at the same relative paths, is the old folder. Returns
 * `undefined` if there is no such folder.
 *
 * @param readers The readers of layers.
 * @param before The old snapshot, which does not have the folder.
 * @param now The new snapshot, which has the folder.
 * @param folder The path of the folder.
 */
export async function oldFolderOf(
  readers: LayerReaders,
  before: SnapshotRecord,
  now: SnapshotRecord,
  folder: string,
): Promise<string | undefined> {
  return await otherFolder(
    readers,
    now,
    folder,
    async (file) => (await oldPathOf(readers, before, now, file))?.from,
  );
}

/**
 * Returns the new path of a renamed folder. The first files of the old folder
 * are searched for in the new snapshot. The added folder that has the largest
 * number of them, at the same relative paths, is the new folder. Returns
 * `undefined` if there is no such folder.
 *
 * @param readers The readers of layers.
 * @param before The old snapshot, which has the folder.
 * @param now The new snapshot, which does not have the folder.
 * @param folder The path of the folder in `before`.
 */
export async function newFolderOf(
  readers: LayerReaders,
  before: SnapshotRecord,
  now: SnapshotRecord,
  folder: string,
): Promise<string | undefined> {
  return await otherFolder(
    readers,
    before,
    folder,
    (file) => newPathOf(readers, before, now, file),
  );
}

/**
 * Searches for the first files of a folder, and returns the other folder that
 * has the largest number of them at the same relative paths. Returns
 * `undefined` if there is no such folder, or if `record` also has the other
 * folder.
 *
 * @param search Called with each of these files. Returns the path of the file
 * in the other snapshot; `undefined` if the file is not found.
 */
async function otherFolder(
  readers: LayerReaders,
  record: SnapshotRecord,
  folder: string,
  search: (file: TreeFileEntry) => Promise<string | undefined>,
): Promise<string | undefined> {
  const counts = new Map<string, number>();
  let searched = 0;
  for await (const file of filesIn(readers, record, folder)) {
    const place = file.path.slice(folder.length);
    const other = await search(file);
    if (other?.endsWith(place) && other.length > place.length) {
      const found = other.slice(0, -place.length);
      counts.set(found, (counts.get(found) ?? 0) + 1);
    }
    if (++searched === MAX_FOLLOWED_FILES) break;
  }
  const [[most] = []] = [...counts].sort(([, a], [, b]) => b - a);
  return most === undefined || await readers.find(record, most) !== undefined
    ? undefined
    : most;
}

/** Yields the non-empty files in a folder, in path order. */
async function* filesIn(
  readers: LayerReaders,
  record: SnapshotRecord,
  folder: string,
): AsyncGenerator<TreeFileEntry> {
  const isWanted = (path: string) => path !== folder && isWithin(path, folder);
  const layers = readers.of(record)
    .map((one) => one.select(isWanted, { within: folder }));
  for await (const lines of mergeLayers(layers)) {
    for (const line of lines) {
      if (isEntry(line) && line.kind === "file" && line.size > 0) yield line;
    }
  }
}
