import { nameOf } from "../../tree/path.ts";
import type { SnapshotRecord } from "../format/snapshot_record.ts";
import { idOfObject } from "../format/names.ts";
import type { LayerReader } from "../layers/layer_reader.ts";
import type { TreeEntry, TreeFileEntry } from "../layers/tree_layer.ts";
import type { LayerReaders } from "./layer_readers.ts";

/**
 * The maximum number of deleted paths to compare with a new file one by one. If
 * there are more, the whole old tree is searched for the content.
 */
const MAX_COMPARED_PATHS = 256;

/** The origin of a new file. */
export interface Origin {
  /** `renamed` if the path `from` was deleted, otherwise `copied`. */
  change: "renamed" | "copied";
  /** The path that has the content in the old snapshot. */
  from: string;
}

/**
 * Returns the origin of a file that was renamed or copied; `undefined` if there
 * is none. If several deleted files had the content, a file with the same name
 * in another folder is preferred.
 *
 * @param readers The readers of layers.
 * @param before The old snapshot, which does not have the file.
 * @param now The new snapshot, which has the file.
 * @param entry The entry of the file.
 */
export async function oldPathOf(
  readers: LayerReaders,
  before: SnapshotRecord,
  now: SnapshotRecord,
  entry: TreeEntry,
): Promise<Origin | undefined> {
  if (entry.kind !== "file" || entry.size === 0) return undefined;
  const volume = entry.content.at(-1)?.reference.volume ?? "";
  // The content of a renamed or copied file is not stored again. So if the
  // content was stored after the old snapshot, the file was neither renamed nor
  // copied. This does not apply if a repair or a purge replaced one of the
  // snapshots, because it can have stored the content again.
  const isReplaced = now.repairs !== undefined || before.repairs !== undefined;
  if (!isReplaced && (idOfObject(volume) ?? "") > before.id) return undefined;
  let renamed: string | undefined;
  let copied: string | undefined;
  for await (const from of candidates(readers, before, now, entry)) {
    if (from === entry.path) continue;
    if (!hasContent(await readers.find(before, from), entry)) continue;
    if (await readers.find(now, from) !== undefined) copied ??= from;
    else if (nameOf(from) === nameOf(entry.path)) {
      return { change: "renamed", from };
    } else renamed ??= from;
  }
  if (renamed !== undefined) return { change: "renamed", from: renamed };
  return copied === undefined ? undefined : { change: "copied", from: copied };
}

/**
 * Returns the path to which a file was renamed; `undefined` if there is none.
 * If several new files have the content, a file with the same name in another
 * folder is preferred.
 *
 * @param readers The readers of layers.
 * @param before The old snapshot, which has the file.
 * @param now The new snapshot, which does not have the file.
 * @param old The entry of the file in `before`.
 */
export async function newPathOf(
  readers: LayerReaders,
  before: SnapshotRecord,
  now: SnapshotRecord,
  old: TreeEntry,
): Promise<string | undefined> {
  if (old.kind !== "file" || old.size === 0) return undefined;
  let renamed: string | undefined;
  for (const reader of addedLayers(readers, before, now)) {
    for await (const path of pathsWith(reader, old)) {
      const isNew = hasContent(await readers.find(now, path), old) &&
        await readers.find(before, path) === undefined;
      if (!isNew) continue;
      if (nameOf(path) === nameOf(old.path)) return path;
      renamed ??= path;
    }
  }
  return renamed;
}

/** Yields paths that might have had the content of a new file. */
async function* candidates(
  readers: LayerReaders,
  before: SnapshotRecord,
  now: SnapshotRecord,
  entry: TreeFileEntry,
): AsyncGenerator<string> {
  for (const { path } of entry.content) if (path !== undefined) yield path;
  const deleted = await deletedPaths(readers, before, now);
  if (deleted !== undefined) yield* deleted;
  else for (const reader of readers.of(before)) yield* pathsWith(reader, entry);
}

/**
 * Returns the paths with a tombstone in the layers that `now` has and `before`
 * does not have. Returns `undefined` if there are more than
 * `MAX_COMPARED_PATHS` paths, or if one of these layers is the first layer of
 * the tree, which has no tombstones.
 */
async function deletedPaths(
  readers: LayerReaders,
  before: SnapshotRecord,
  now: SnapshotRecord,
): Promise<string[] | undefined> {
  const added = addedLayers(readers, before, now);
  if (added.length === now.layers.length) return undefined;
  const deleted: string[] = [];
  for (const reader of added) {
    const isGone = (_: string, text: string) => text.startsWith('{"gone":');
    for await (const lines of reader.select(isGone)) {
      for (const { path } of lines) deleted.push(path);
      if (deleted.length > MAX_COMPARED_PATHS) return undefined;
    }
  }
  return deleted;
}

/**
 * Yields the paths of those files of a layer that have the same content as a
 * given file.
 */
async function* pathsWith(
  reader: LayerReader,
  file: TreeFileEntry,
): AsyncGenerator<string> {
  const isWanted = (_: string, text: string) => text.includes(file.sha256);
  for await (const lines of reader.select(isWanted)) {
    for (const line of lines) {
      if (line.kind === "file" && hasContent(line, file)) yield line.path;
    }
  }
}

/** Returns the readers of the layers of `now` that `before` does not have. */
export function addedLayers(
  readers: LayerReaders,
  before: SnapshotRecord,
  now: SnapshotRecord,
): LayerReader[] {
  const old = new Set(before.layers.map(({ name }) => name));
  return readers.of(now).filter((_, at) => !old.has(now.layers[at].name));
}

function hasContent(
  entry: TreeEntry | undefined,
  file: TreeFileEntry,
): boolean {
  return entry?.kind === "file" && entry.sha256 === file.sha256 &&
    entry.size === file.size && entry.sparse === file.sparse;
}
