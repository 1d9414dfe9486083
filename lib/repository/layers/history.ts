import { deviceOf } from "../../tree/change_finder.ts";
import { checkAborted } from "../../bytes/abort.ts";
import type { Storage } from "../../storage/storage.ts";
import { isWithin } from "../../tree/path.ts";
import { type DamageHandler, isDamage } from "../../bytes/errors.ts";
import { LayerReader } from "./layer_reader.ts";
import type { LayerRecord, SnapshotRecord } from "../format/snapshot_record.ts";
import type { LayerLine, TreeEntry } from "./tree_layer.ts";

/**
 * A version of a path. It lasts from the snapshot in which it was first found
 * until the next version.
 */
export interface PathVersion {
  /** The first snapshot in which this version was found. */
  record: SnapshotRecord;
  /**
   * The entry in that snapshot, or `undefined` if the path was deleted. A path
   * that a snapshot skipped or excluded keeps its previous version.
   */
  entry: TreeEntry | undefined;
}

/** Options for finding versions. */
export interface HistoryOptions {
  /** Ends the work with an error of code `aborted`. */
  signal?: AbortSignal;
  /**
   * Called for each snapshot in which the path cannot be looked up because a
   * layer is missing or damaged, with the error. The snapshot is then ignored.
   * By default, the first such error is thrown.
   */
  onDamage?: DamageHandler;
}

/**
 * Returns the versions of a path, the newest first. Each layer is searched at
 * most once, even if many snapshots share it.
 *
 * @param storage The repository's storage.
 * @param records The snapshots of one directory, the oldest first.
 * @param path The path below the directory.
 * @param options The signal, and a callback for damaged snapshots.
 */
export async function historyOf(
  storage: Storage,
  records: readonly SnapshotRecord[],
  path: string,
  { signal, onDamage }: HistoryOptions,
): Promise<PathVersion[]> {
  const words = new Map<string, Promise<LayerLine | undefined>>();
  const ask = (layer: LayerRecord): Promise<LayerLine | undefined> => {
    const word = words.get(layer.name) ??
      new LayerReader(storage, layer).find(path, signal);
    words.set(layer.name, word);
    return word;
  };
  const versions: PathVersion[] = [];
  for (const record of records) {
    checkAborted(signal);
    let entry: TreeEntry | undefined;
    try {
      for (const layer of record.layers.toReversed()) {
        const word = await ask(layer);
        if (word === undefined) continue;
        if (word.kind !== "gone") entry = word;
        break;
      }
      const isLost = entry === undefined && versions.at(-1)?.entry;
      if (isLost && await isSkipped(storage, record, path, signal)) continue;
    } catch (error) {
      if (onDamage === undefined || !isDamage(error)) throw error;
      onDamage(error);
      continue;
    }
    if (identity(entry) !== identity(versions.at(-1)?.entry)) {
      versions.push({ record, entry });
    }
  }
  return versions.reverse();
}

/**
 * Returns whether a snapshot skipped or excluded a path or a folder above it.
 * Such a path does not count as deleted.
 */
async function isSkipped(
  storage: Storage,
  { layers }: SnapshotRecord,
  path: string,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const last = layers.at(-1);
  if (last === undefined) return false;
  const parts = new LayerReader(storage, last).parts({ signal });
  for await (const { skipped } of parts) {
    if (skipped.some((skip) => isWithin(path, skip.path))) return true;
  }
  return false;
}

/**
 * Returns a text by which versions of a path are compared. The text has the
 * kind, the SHA-256 of the content, the holes, the link target and the device
 * numbers. Versions that differ only in times, modes or owners have the same
 * text.
 */
function identity(entry: TreeEntry | undefined): string | undefined {
  if (entry === undefined) return undefined;
  const { kind, sha256, sparse, target } = entry;
  const { major, minor } = deviceOf(entry) ?? {};
  return `${kind} ${sha256} ${sparse} ${target} ${major} ${minor}`;
}
