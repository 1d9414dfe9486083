import { DeltarError } from "../bytes/errors.ts";
import { toHex } from "../bytes/hex.ts";
import { sha256 } from "../bytes/sha256.ts";
import { collect } from "../bytes/source.ts";
import type { Storage } from "../storage/storage.ts";
import { codecOf } from "./content.ts";
import type { LayerRecord } from "./snapshot_record.ts";
import type { ReadLayer } from "./tree.ts";
import { decodeLayer } from "./tree_layer.ts";

/** A layer of more bytes than this, decompressed, is no layer of ours. */
const MOST_LAYER = 2 ** 31;

/**
 * Reads a layer of a snapshot's tree.
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
  const { name } = record;
  const packed = await collect(storage.get(name));
  if (toHex(sha256(packed)) !== record.sha256) {
    throw new DeltarError("corrupt", "its SHA-256 is not the recorded one", {
      object: name,
    });
  }
  const plain = await codecOf(name)
    .decompressBlock(packed, MOST_LAYER, { object: name });
  return { record, layer: decodeLayer(plain, name) };
}
