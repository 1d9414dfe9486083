import { outcomeOf } from "../../bytes/outcome.ts";
import { existing } from "../../bytes/existing.ts";
import { mapAhead } from "../../bytes/map_ahead.ts";
import { inTurns } from "../../bytes/turns.ts";
import { MAX_REQUESTS_AT_ONCE } from "../../storage/max_requests.ts";
import type { Storage } from "../../storage/storage.ts";
import { MAX_AHEAD_BYTES } from "../layers/layer_limits.ts";
import { type ReadLayer, readLayer } from "../layers/tree_reader.ts";
import type {
  LayerRecord,
  ObjectRecord,
  SnapshotRecord,
} from "../format/snapshot_record.ts";
import type { TreeEntry } from "../layers/tree_layer.ts";

/** A text that identifies a layer. */
export type LayerKey = string;

/**
 * Returns the key of a layer. The key includes the checksum, because a forged
 * record could name the layer with a different checksum.
 */
export function layerKey({ name, sha256 }: LayerRecord): LayerKey {
  return `${sha256} ${name}`;
}

/**
 * Groups the snapshots whose trees have the same first layer. The order of the
 * snapshots is kept.
 */
export function familiesOf(
  records: readonly SnapshotRecord[],
): SnapshotRecord[][] {
  const families = new Map<LayerKey, SnapshotRecord[]>();
  for (const record of records) {
    const key = layerKey(record.layers[0]);
    const family = families.get(key);
    if (family === undefined) families.set(key, [record]);
    else family.push(record);
  }
  return [...families.values()];
}

/**
 * Returns the layers of snapshots, each with the snapshots to which it belongs.
 */
function ownedLayers(
  snapshots: readonly SnapshotRecord[],
): Map<LayerKey, { record: LayerRecord; owners: SnapshotRecord[] }> {
  const layers: ReturnType<typeof ownedLayers> = new Map();
  for (const snapshot of snapshots) {
    for (const record of snapshot.layers) {
      const key = layerKey(record);
      const others = layers.get(key);
      if (others !== undefined) others.owners.push(snapshot);
      else layers.set(key, { record, owners: [snapshot] });
    }
  }
  return layers;
}

/** An entry that no higher layer of its tree hides, and its layer. */
export interface VisibleEntry {
  /** The entry. */
  entry: TreeEntry;
  /** The layer that contains the entry. */
  layer: ReadLayer;
}

/**
 * A family: the trees of all snapshots that have the same first layer. Each
 * layer is read once and each entry is visited once, even if many snapshots
 * share them. All layers of the family are in memory at the same time.
 */
export class Family {
  /** All snapshots of the family, in the order in which they were passed. */
  readonly all: readonly SnapshotRecord[];
  /**
   * The snapshots in `all` whose layers could all be read, in the same order.
   */
  readonly snapshots: readonly SnapshotRecord[];
  readonly #layers: ReadonlyMap<LayerKey, ReadLayer>;
  #byLayer:
    | Map<LayerKey, { snapshot: SnapshotRecord; above: LayerKey[] }[]>
    | undefined;
  /** The paths that each layer hides in the layers below it. */
  readonly #covers = new Map<LayerKey, Set<string>>();
  /**
   * The paths of each layer that the layers above it hide in every snapshot.
   */
  readonly #hidden = new Map<LayerKey, ReadonlySet<string>>();

  private constructor(
    all: readonly SnapshotRecord[],
    lost: ReadonlySet<SnapshotRecord>,
    layers: ReadonlyMap<LayerKey, ReadLayer>,
  ) {
    this.all = all;
    this.snapshots = all.filter((one) => !lost.has(one));
    this.#layers = layers;
  }

  /**
   * Groups snapshots into families, and yields each family as soon as its
   * layers have been read. Small layers of the next families are read in
   * advance.
   *
   * @param storage The repository's storage.
   * @param records The snapshots.
   * @param onFailure Called for each layer that cannot be read, with the error,
   * the layer, and the snapshots that have the layer. These snapshots are then
   * in `all` of their family, but not in `snapshots`. If the callback throws,
   * no further family is read.
   */
  static async *read(
    storage: Storage,
    records: readonly SnapshotRecord[],
    onFailure: (
      error: unknown,
      layer: LayerRecord,
      harmed: SnapshotRecord[],
    ) => void,
  ): AsyncGenerator<Family> {
    const families = familiesOf(records)
      .map((snapshots) => ({ snapshots, layers: ownedLayers(snapshots) }));
    const limits = { most: MAX_REQUESTS_AT_ONCE };
    const ahead = mapAhead(
      families.flatMap(({ layers }) => [...layers.values()]),
      limits,
      async ({ record }) =>
        record.size <= MAX_AHEAD_BYTES
          ? await outcomeOf(readLayer(storage, record))
          : undefined,
    );
    try {
      for (const { snapshots, layers } of families) {
        const read = new Map<LayerKey, ReadLayer>();
        const lost = new Set<SnapshotRecord>();
        for (const [key, { record, owners }] of layers) {
          const { value } = await ahead.next();
          const { result, error } = value ??
            await outcomeOf(readLayer(storage, record));
          if (result !== undefined) read.set(key, result);
          else {
            onFailure(error, record, owners);
            for (const owner of owners) lost.add(owner);
          }
        }
        const family = new Family(snapshots, lost, read);
        await inTurns(family.#hide());
        yield family;
      }
    } finally {
      await ahead.return(undefined);
    }
  }

  /** Returns the volumes that the family's layers refer to, by name. */
  objects(): Map<string, ObjectRecord> {
    const objects = new Map<string, ObjectRecord>();
    for (const { layer } of this.#layers.values()) {
      for (const object of layer.objects) objects.set(object.name, object);
    }
    return objects;
  }

  /**
   * Yields all entries that are visible in at least one of the snapshots. Each
   * entry is yielded once.
   */
  *entries(): Generator<VisibleEntry> {
    for (const [key, under] of this.#hidden) {
      const layer = existing(this.#layers, key);
      for (const entry of layer.layer.entries) {
        if (!under.has(entry.path)) yield { entry, layer };
      }
    }
  }

  /** Returns the snapshots in which an entry of a layer is visible. */
  having(visible: VisibleEntry): SnapshotRecord[] {
    return [...this.#having(visible)];
  }

  /**
   * Returns the only snapshot in which an entry is visible; `undefined` if the
   * entry is visible in no snapshot or in several.
   */
  onlyOneHaving(visible: VisibleEntry): SnapshotRecord | undefined {
    const [first, second] = this.#having(visible);
    return second === undefined ? first : undefined;
  }

  *#having({ entry, layer }: VisibleEntry): Generator<SnapshotRecord> {
    for (const { snapshot, above } of this.#users(layerKey(layer.record))) {
      const isCovered = above.some((key) => this.#cover(key).has(entry.path));
      if (!isCovered) yield snapshot;
    }
  }

  /** Returns the snapshots that have a layer, each with the layers above it. */
  #users(
    key: LayerKey,
  ): { snapshot: SnapshotRecord; above: LayerKey[] }[] {
    if (this.#byLayer === undefined) {
      this.#byLayer = new Map();
      for (const snapshot of this.snapshots) {
        const keys = snapshot.layers.map(layerKey);
        for (const [at, key] of keys.entries()) {
          const users = this.#byLayer.get(key) ?? [];
          users.push({ snapshot, above: keys.slice(at + 1) });
          this.#byLayer.set(key, users);
        }
      }
    }
    return this.#byLayer.get(key) ?? [];
  }

  /**
   * Finds the paths of each layer that the layers above it hide in every
   * snapshot. Yields after each path, so that other work can run.
   */
  *#hide(): Generator<void, void> {
    for (const { layers } of this.snapshots) {
      const above: Set<string>[] = [];
      for (const record of [...layers].reverse()) {
        const key = layerKey(record);
        const before = this.#hidden.get(key);
        const under = new Set<string>();
        for (const paths of before === undefined ? above : [before]) {
          for (const path of paths) {
            yield;
            if (before && !above.some((others) => others.has(path))) continue;
            under.add(path);
          }
        }
        this.#hidden.set(key, under);
        // The first layer hides nothing, and is usually the largest, so its
        // paths are not collected.
        if (record !== layers[0]) above.push(this.#cover(key));
      }
    }
  }

  #cover(key: LayerKey): Set<string> {
    let paths = this.#covers.get(key);
    if (paths === undefined) {
      const { layer } = existing(this.#layers, key);
      paths = new Set(layer.gone);
      for (const { path } of layer.entries) paths.add(path);
      this.#covers.set(key, paths);
    }
    return paths;
  }
}
