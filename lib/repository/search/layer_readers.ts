import type { Storage } from "../../storage/storage.ts";
import { isWithin } from "../../tree/path.ts";
import type { LayerRecord, SnapshotRecord } from "../format/snapshot_record.ts";
import { LayerReader } from "../layers/layer_reader.ts";
import type { TreeEntry } from "../layers/tree_layer.ts";
import { isEntry } from "../layers/tree_reader.ts";

/** The state of a path in a snapshot. */
export interface Located {
  /** The entry, or `undefined` if the snapshot does not have the path. */
  entry: TreeEntry | undefined;
  /**
   * The last layer with a line for the path or, if the path is a directory, for
   * a path in it; the first layer if no layer has such a line. The state of the
   * path is the same in all earlier snapshots of the directory that have this
   * layer.
   */
  layer: LayerRecord;
}

/**
 * Finds paths in the trees of several snapshots. Snapshots share most of their
 * layers, so an instance keeps the readers of the layers of the last two
 * requested snapshots, with the frames that these readers cache.
 */
export class LayerReaders {
  readonly #storage: Storage;
  readonly #kept: { record: SnapshotRecord; readers: LayerReader[] }[] = [];

  constructor(storage: Storage) {
    this.#storage = storage;
  }

  /**
   * Returns the readers of a snapshot's layers, in order. The first layer has
   * all entries.
   */
  of(record: SnapshotRecord): LayerReader[] {
    const known = this.#kept.find((one) => one.record === record);
    if (known !== undefined) return [...known.readers];
    const readers = record.layers.map((layer) =>
      this.#readerOf(layer) ?? new LayerReader(this.#storage, layer)
    );
    this.#kept.unshift({ record, readers });
    this.#kept.splice(2);
    return [...readers];
  }

  #readerOf(layer: LayerRecord): LayerReader | undefined {
    for (const { record, readers } of this.#kept) {
      const at = record.layers.findIndex(({ name, sha256 }) =>
        name === layer.name && sha256 === layer.sha256
      );
      if (at >= 0) return readers[at];
    }
    return undefined;
  }

  /** Finds a path in a snapshot. */
  async locate(record: SnapshotRecord, path: string): Promise<Located> {
    const readers = this.of(record);
    for (let at = readers.length - 1; at >= 0; at--) {
      const line = await readers[at].find(path);
      if (line === undefined) continue;
      if (line.kind !== "directory") {
        const entry = isEntry(line) ? line : undefined;
        return { entry, layer: record.layers[at] };
      }
      let last = readers.length - 1;
      while (last > at && !await hasWithin(readers[last], path)) last--;
      return { entry: line, layer: record.layers[last] };
    }
    return { entry: undefined, layer: record.layers[0] };
  }

  /**
   * Returns the entry of a path in a snapshot; `undefined` if there is none.
   */
  async find(
    record: SnapshotRecord,
    path: string,
  ): Promise<TreeEntry | undefined> {
    for (const reader of this.of(record).reverse()) {
      const line = await reader.find(path);
      if (line !== undefined) return isEntry(line) ? line : undefined;
    }
    return undefined;
  }
}

/**
 * Returns whether a layer has a line for a folder or for a path in the folder.
 */
async function hasWithin(
  reader: LayerReader,
  folder: string,
): Promise<boolean> {
  const isWanted = (path: string) => isWithin(path, folder);
  for await (const lines of reader.select(isWanted, { within: folder })) {
    if (lines.length > 0) return true;
  }
  return false;
}
