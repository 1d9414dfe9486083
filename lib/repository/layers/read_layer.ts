import type { Storage } from "../../storage/storage.ts";
import type { Skipped } from "../../tree/entry.ts";
import { LayerReader } from "./layer_reader.ts";
import type { LayerRecord, ObjectRecord } from "../snapshot_record.ts";
import type { TreeEntry } from "./tree_layer.ts";

/** What a layer says: entries, what is gone, what was skipped, and objects. */
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
  /** How the commit record names it. */
  record: LayerRecord;
  /** What it says. */
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
