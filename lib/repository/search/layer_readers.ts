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
  /**
   * The id of the run that last changed the path or, if the path is a
   * directory, a path in it, according to the layers. This is the run that
   * wrote `layer`, or an earlier one. Absent if the run is not known.
   */
  since?: string;
}

/**
 * The readers of the layers of several snapshots. Snapshots share most of their
 * layers, so an instance keeps the readers for the last two requested
 * snapshots, with the frames that these readers cache.
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

  /** Returns the state of a path in a snapshot. */
  async locate(record: SnapshotRecord, path: string): Promise<Located> {
    const readers = this.of(record);
    for (let at = readers.length - 1; at >= 0; at--) {
      const line = await readers[at].findDated(path);
      if (line === undefined) continue;
      const { since } = line;
      delete line.since;
      if (line.kind !== "directory") {
        const entry = isEntry(line) ? line : undefined;
        return { entry, layer: record.layers[at], since };
      }
      for (let last = readers.length - 1; last > 0 && last >= at; last--) {
        const since = await newestWithin(readers[last], path);
        if (since === undefined) continue;
        return { entry: line, layer: record.layers[last], since };
      }
      // The first layer has the whole folder, which can be large, so this layer
      // is not searched for the newest change.
      return { entry: line, layer: record.layers[at] };
    }
    return { entry: undefined, layer: record.layers[0] };
  }

  /**
   * Returns whether the last layer of a snapshot has a path filter that accepts
   * a path. In this case, the layer probably has a line for the path.
   */
  mayHaveChanged(record: SnapshotRecord, path: string): boolean {
    return this.of(record).at(-1)?.mayHave(path) === true;
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
 * Returns the latest `since` of the lines that a layer has for a folder and for
 * the paths in the folder; `undefined` if there are no such lines.
 */
async function newestWithin(
  reader: LayerReader,
  folder: string,
): Promise<string | undefined> {
  const isWanted = (path: string) => isWithin(path, folder);
  let newest: string | undefined;
  const options = { within: folder, isDated: true };
  for await (const lines of reader.select(isWanted, options)) {
    for (const { since = "" } of lines) {
      if (newest === undefined || since > newest) newest = since;
    }
  }
  return newest;
}
