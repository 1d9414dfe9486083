import { checkAborted } from "../bytes/abort.ts";
import type { Storage } from "../storage/storage.ts";
import { type DamageHandler, isDamage } from "./damage.ts";
import { readLayer } from "./read_layer.ts";
import type { LayerRecord, SnapshotRecord } from "./snapshot_record.ts";
import type { TreeEntry } from "./tree_layer.ts";

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

/** What a layer says of a path: an entry, that it is gone, or nothing. */
type Word = { entry: TreeEntry | undefined } | undefined;

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
  const words = new Map<string, Promise<Word>>();
  const ask = (layer: LayerRecord): Promise<Word> => {
    const word = words.get(layer.name) ?? wordOf(storage, layer, path);
    words.set(layer.name, word);
    return word;
  };
  const versions: PathVersion[] = [];
  for (const record of records) {
    checkAborted(signal);
    let word: Word;
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
    const entry = word?.entry;
    if (identity(entry) !== identity(versions.at(-1)?.entry)) {
      versions.push({ record, entry });
    }
  }
  return versions.reverse();
}

async function wordOf(
  storage: Storage,
  record: LayerRecord,
  path: string,
): Promise<Word> {
  const { entries, gone } = (await readLayer(storage, record)).layer;
  const entry = entries.find((entry) => entry.path === path);
  return entry !== undefined || gone.includes(path) ? { entry } : undefined;
}

/** What makes a version another one; times and modes do not. */
function identity(entry: TreeEntry | undefined): string | undefined {
  return entry && `${entry.kind} ${entry.sha256} ${entry.target}`;
}
