import { DeltarError } from "../../bytes/errors.ts";
import { bare } from "../../tree/change_finder.ts";
import { DirIndex } from "../../tree/dir_index.ts";
import type { Metadata, Skipped } from "../../tree/entry.ts";
import { toJson, withJson } from "../../tree/to_json.ts";
import type { LayerRecord, ObjectRecord } from "../format/snapshot_record.ts";
import type { TreeEntry } from "./tree_layer.ts";

/** The fields of a {@linkcode Tree}. */
export interface TreeFields {
  /** The entries, in path order. */
  entries: readonly TreeEntry[];
  /**
   * The records of the volumes that the layers name, by the volume's name.
   * Empty if not all paths of the tree were read.
   */
  objects: ReadonlyMap<string, ObjectRecord>;
  /**
   * The paths that the snapshot skipped or excluded, with the reasons. Empty if
   * not all paths of the tree were read.
   */
  skipped: readonly Skipped[];
  /** The layers of the tree, starting with the full layer. */
  layers: readonly LayerRecord[];
  /**
   * The mode, time and owner of the directory itself. Absent from an empty tree
   * that was not read from a snapshot.
   */
  root?: Metadata;
}

/** The tree of a snapshot, or a part of the tree, merged from layers. */
export class Tree {
  /** The entries, in path order. */
  readonly entries: readonly TreeEntry[];
  /**
   * The records of the volumes that the layers name, by the volume's name.
   * Empty if not all paths of the tree were read.
   */
  readonly objects: ReadonlyMap<string, ObjectRecord>;
  /**
   * The paths that the snapshot skipped or excluded, with the reasons. Empty if
   * not all paths of the tree were read.
   */
  readonly skipped: readonly Skipped[];
  /** The layers of the tree, starting with the full layer. */
  readonly layers: readonly LayerRecord[];
  /**
   * The mode, time and owner of the directory itself; `undefined` for an empty
   * tree that was not read from a snapshot.
   */
  readonly root: Metadata | undefined;
  #byPath: ReadonlyMap<string, TreeEntry> | undefined;
  #index: DirIndex | undefined;

  /** Creates a tree from its fields. */
  constructor(fields: TreeFields) {
    this.entries = fields.entries;
    this.objects = fields.objects;
    this.skipped = fields.skipped;
    this.layers = fields.layers;
    this.root = fields.root;
  }

  /** Returns an empty tree. */
  static empty(): Tree {
    return new Tree({
      entries: [],
      objects: new Map(),
      skipped: [],
      layers: [],
    });
  }

  /**
   * Returns the tree of a folder, with paths relative to the folder. A hard
   * link to a file outside the folder becomes a file, and further hard links to
   * the same target become hard links to this file.
   *
   * @param folder The folder's path, `""` for the root.
   * @throws {DeltarError} `not-found` if there is no such folder.
   */
  below(folder: string): Tree {
    if (folder === "") return this;
    const root = this.byPath.get(folder);
    if (root?.kind !== "directory") {
      const what = root === undefined ? "no such folder" : "not a folder";
      throw new DeltarError("not-found", what, { path: folder });
    }
    const start = `${folder}/`;
    const cut = (path: string) => path.slice(start.length);
    const firsts = new Map<string, string>();
    const entries = this.entries.filter(({ path }) => path.startsWith(start))
      .map((entry) => {
        const { kind, target = "" } = entry;
        const path = cut(entry.path);
        if (kind !== "hardlink") return withJson({ ...entry, path });
        if (target.startsWith(start)) {
          return withJson({ ...entry, path, target: cut(target) });
        }
        const first = firsts.get(target);
        if (first !== undefined) {
          return withJson({ ...entry, path, target: first });
        }
        firsts.set(target, path);
        return withJson({ ...this.byPath.get(target) ?? entry, path });
      });
    return new Tree({
      entries,
      objects: this.objects,
      layers: this.layers,
      skipped: this.skipped.filter(({ path }) => path.startsWith(start))
        .map((skip) => ({ ...skip, path: cut(skip.path) })),
      root,
    });
  }

  /** Returns the value of the tree for `JSON.stringify`. See `toJson`. */
  toJSON(): unknown {
    const { root, entries, objects, skipped, layers } = this;
    return toJson({ root, entries, objects, skipped, layers });
  }

  /** The entries by path. */
  get byPath(): ReadonlyMap<string, TreeEntry> {
    return this.#byPath ??= withJson(
      new Map(this.entries.map((entry) => [entry.path, entry])),
    );
  }

  /** The tree as an index without block checksums. */
  get index(): DirIndex {
    return this.#index ??= new DirIndex(
      this.entries.map(bare),
      this.root,
      this.skipped,
    );
  }
}
