import type { Storage } from "../../storage/storage.ts";
import type { Skipped } from "../../tree/entry.ts";
import { LayerReader } from "./layer_reader.ts";
import type { LayerRecord, ObjectRecord } from "../snapshot_record.ts";
import type { TreeEntry } from "./tree_layer.ts";

/** The content of a layer: entries, deleted and skipped paths, and objects. */
export interface TreeLayer {
  /** Entries that are new or changed, in path order. */
  entries: TreeEntry[];
  /** Paths that are gone, in path order. */
  gone: string[];
  /** The volumes that the entries need and earlier layers do not name. */
  objects: ObjectRecord[];
  /** All that this snapshot left out, and why. */
  skipped: Skipped[];
}

/** A layer that has been read, and its record. */
export interface ReadLayer {
  /** Its record in the snapshot. */
  record: LayerRecord;
  /** Its content. */
  layer: TreeLayer;
}

/**
 * Reads a layer of a snapshot's tree as a whole.
 *
 * @param storage Where it lies.
 * @param record How the commit record names it.
 * @throws {DeltarError} `corrupt` if it is not what the record says; what
 * reading, decompressing and decoding throw.
 */
export async function readLayer(
  storage: Storage,
  record: LayerRecord,
): Promise<ReadLayer> {
  const layer: TreeLayer = { entries: [], gone: [], objects: [], skipped: [] };
  for await (const part of new LayerReader(storage, record).parts()) {
    for (const line of part.lines) {
      if (line.kind === "gone") layer.gone.push(line.path);
      else layer.entries.push(line);
    }
    for (const object of part.objects) layer.objects.push(object);
    for (const skipped of part.skipped) layer.skipped.push(skipped);
  }
  return { record, layer };
}
