import { DirIndex } from "../../tree/dir_index.ts";
import type { Metadata, Skipped } from "../../tree/entry.ts";
import type { LayerRecord, ObjectRecord } from "../snapshot_record.ts";
import type { TreeEntry } from "./tree_layer.ts";

/** What a {@linkcode Tree} is made of. */
export interface TreeFields {
  /** All entries, in path order. */
  entries: readonly TreeEntry[];
  /** The volumes that the entries lie in, by name. */
  objects: ReadonlyMap<string, ObjectRecord>;
  /** What the snapshot left out, and why. */
  skipped: readonly Skipped[];
  /** The layers, the full one first. */
  layers: readonly LayerRecord[];
  /** Mode, time and owner of the directory itself. */
  root?: Metadata;
}

/** A snapshot's tree: its layers laid over each other. */
export class Tree {
  /** All entries, in path order. */
  readonly entries: readonly TreeEntry[];
  /** The volumes that the entries lie in, by name. */
  readonly objects: ReadonlyMap<string, ObjectRecord>;
  /** What the snapshot left out, and why. */
  readonly skipped: readonly Skipped[];
  /** The layers, the full one first. */
  readonly layers: readonly LayerRecord[];
  /** Mode, time and owner of the directory itself. */
  readonly root: Metadata | undefined;
  #byPath: ReadonlyMap<string, TreeEntry> | undefined;
  #index: DirIndex | undefined;

  /** Takes the fields as they are. */
  constructor(fields: TreeFields) {
    this.entries = fields.entries;
    this.objects = fields.objects;
    this.skipped = fields.skipped;
    this.layers = fields.layers;
    this.root = fields.root;
  }

  /** The tree of no snapshot. */
  static empty(): Tree {
    return new Tree({
      entries: [],
      objects: new Map(),
      skipped: [],
      layers: [],
    });
  }

  /** The entries by path. */
  get byPath(): ReadonlyMap<string, TreeEntry> {
    return this.#byPath ??= new Map(
      this.entries.map((entry) => [entry.path, entry]),
    );
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
