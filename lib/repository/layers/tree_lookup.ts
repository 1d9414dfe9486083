import type { Storage } from "../../storage/storage.ts";
import { LayerReader } from "./layer_reader.ts";
import type { LayerRecord } from "../snapshot_record.ts";
import type { TreeEntry } from "./tree_layer.ts";

/**
 * Looks up many paths in a tree, best in path order: of each layer the frame
 * that was read last is kept, and what was found for good.
 */
export class TreeLookup {
  readonly #layers: readonly LayerReader[];
  readonly #found = new Map<string, TreeEntry | undefined>();

  /**
   * Makes a lookup; nothing is read yet.
   *
   * @param storage Where the layers lie.
   * @param layers The layers, the full one first.
   */
  constructor(storage: Storage, layers: readonly LayerRecord[]) {
    this.#layers = layers.toReversed()
      .map((layer) => new LayerReader(storage, layer));
  }

  /**
   * The entry of a path, if there is one.
   *
   * @throws {DeltarError} `corrupt` and the like if a layer is not what was
   * stored.
   */
  async find(path: string): Promise<TreeEntry | undefined> {
    if (this.#found.has(path)) return this.#found.get(path);
    let entry: TreeEntry | undefined;
    for (const layer of this.#layers) {
      const line = await layer.find(path);
      if (line === undefined) continue;
      if (line.kind !== "gone") entry = line;
      break;
    }
    this.#found.set(path, entry);
    return entry;
  }
}
