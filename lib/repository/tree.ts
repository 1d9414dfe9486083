import { DirIndex } from "../tree/dir_index.ts";
import type { Metadata, Skipped } from "../tree/entry.ts";
import { comparePaths } from "../tree/path.ts";
import type { LayerRecord, ObjectRecord } from "./snapshot_record.ts";
import type { TreeEntry, TreeLayer } from "./tree_layer.ts";

/** A layer that has been read, and its record. */
export interface ReadLayer {
  /** How the commit record names it. */
  record: LayerRecord;
  /** What it says. */
  layer: TreeLayer;
}

/** A snapshot's tree: its layers laid over each other. */
export class Tree {
  /** All entries, in path order. */
  readonly entries: readonly TreeEntry[];
  /** The same by path. */
  readonly byPath: ReadonlyMap<string, TreeEntry>;
  /** The volumes that the entries lie in, by name. */
  readonly objects: ReadonlyMap<string, ObjectRecord>;
  /** What the snapshot left out, and why. */
  readonly skipped: readonly Skipped[];
  /** The layers, the full one first. */
  readonly layers: readonly ReadLayer[];
  /** Mode, time and owner of the directory itself. */
  readonly root: Metadata | undefined;
  #index: DirIndex | undefined;

  /**
   * Lays layers over each other.
   *
   * @param layers The layers, the full one first.
   * @param root The state of the directory itself.
   */
  constructor(layers: readonly ReadLayer[], root?: Metadata) {
    const byPath = new Map<string, TreeEntry>();
    const objects = new Map<string, ObjectRecord>();
    for (const { layer } of layers) {
      for (const path of layer.gone) byPath.delete(path);
      for (const entry of layer.entries) byPath.set(entry.path, entry);
      for (const object of layer.objects) objects.set(object.name, object);
    }
    const entries = [...byPath.values()];
    if (layers.length > 1) {
      entries.sort((a, b) => comparePaths(a.path, b.path));
    }
    this.entries = entries;
    this.byPath = byPath;
    this.objects = objects;
    this.layers = layers;
    this.root = root;
    this.skipped = layers.at(-1)?.layer.skipped ?? [];
  }

  /** The tree of no snapshot. */
  static empty(): Tree {
    return new Tree([]);
  }

  /** The tree as an index, without block checksums. */
  get index(): DirIndex {
    return this.#index ??= new DirIndex(
      this.entries.map(({ content: _, signature: __, ...entry }) => entry),
      this.root,
      this.skipped,
    );
  }
}

/**
 * The layer that a new snapshot writes, and those of its parent that stay
 * below it. Layers of about the same number of entries are merged, so that
 * there are at most about log2 of the number of entries; when the changes
 * outgrow the tree, a full layer is written. Reading a tree is bounded so, and
 * writing costs what changed, times that logarithm.
 *
 * @param tree The new tree by path.
 * @param changed The paths that changed since the parent.
 * @param parent The parent's tree.
 */
export function planLayer(
  tree: ReadonlyMap<string, TreeEntry>,
  changed: Iterable<string>,
  parent: Tree,
): { kept: readonly ReadLayer[]; paths: string[] } {
  const paths = new Set(changed);
  const kept = [...parent.layers];
  while (kept.length > 1 && kept.at(-1)!.record.entries <= 2 * paths.size) {
    const { layer } = kept.pop()!;
    for (const path of layer.gone) paths.add(path);
    for (const entry of layer.entries) paths.add(entry.path);
  }
  if (kept.length === 0 || paths.size >= tree.size) {
    return { kept: [], paths: [...tree.keys()].sort(comparePaths) };
  }
  return { kept, paths: [...paths].sort(comparePaths) };
}

/** The objects that a layer has to name. */
export function neededObjects(
  tree: ReadonlyMap<string, TreeEntry>,
  isFull: boolean,
  paths: readonly string[],
  known: readonly ObjectRecord[],
): ObjectRecord[] {
  const needed = new Set<string>();
  for (const path of isFull ? tree.keys() : paths) {
    const entry = tree.get(path);
    for (const { reference } of entry?.content ?? []) {
      needed.add(reference.volume);
    }
    if (entry?.signature) needed.add(entry.signature.reference.volume);
  }
  return known.filter(({ name }) => needed.has(name));
}
