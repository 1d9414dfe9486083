import { checkAborted } from "../../bytes/abort.ts";
import type { Storage } from "../../storage/storage.ts";
import { type DamageHandler, isDamage } from "../damage.ts";
import { LayerReader } from "./layer_reader.ts";
import type { LayerRecord, SnapshotRecord } from "../snapshot_record.ts";
import type { LayerLine, TreeEntry } from "./tree_layer.ts";

/** A version of a path: what it was from one snapshot on. */
export interface PathVersion {
  /** The first snapshot that holds it. */
  record: SnapshotRecord;
  /** What it was then; `undefined` if it was gone. */
  entry: TreeEntry | undefined;
}

/** How to look for versions. */
export interface HistoryOptions {
  /** Ends the work with an error of code `aborted`. */
  signal?: AbortSignal;
  /**
   * Told of snapshots that cannot be read, which are then left out. By default
   * their errors are thrown.
   */
  onDamage?: DamageHandler;
}

/**
 * The versions of a path, the newest first. Each layer is read once, however
 * many snapshots stand on it.
 *
 * @param storage Where the layers are.
 * @param records The snapshots of one directory, the oldest first.
 * @param path The path below it.
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
    let word: LayerLine | undefined;
    try {
      for (const layer of record.layers.toReversed()) {
        word = await ask(layer);
        if (word !== undefined) break;
      }
    } catch (error) {
      if (onDamage === undefined || !isDamage(error)) throw error;
      onDamage(error);
      continue;
    }
    const entry = word?.kind === "gone" ? undefined : word;
    if (identity(entry) !== identity(versions.at(-1)?.entry)) {
      versions.push({ record, entry });
    }
  }
  return versions.reverse();
}

/** What makes a version another one; times and modes do not. */
function identity(entry: TreeEntry | undefined): string | undefined {
  return entry && `${entry.kind} ${entry.sha256} ${entry.target}`;
}
