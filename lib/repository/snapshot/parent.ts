import { DeltarError, isDamage } from "../../bytes/errors.ts";
import type { Storage } from "../../storage/storage.ts";
import type { Metadata, Skipped } from "../../tree/entry.ts";
import type { EntryIndex } from "../../tree/entry_index.ts";
import type { LayerRecord, ReadRecord } from "../format/snapshot_record.ts";
import type { StateCache } from "./state_cache.ts";
import type { Tree } from "../layers/tree.ts";
import type { TreeEntry } from "../layers/tree_layer.ts";
import { TreeFinder } from "../layers/tree_reader.ts";

/** The parent of a snapshot. */
export interface Parent {
  /**
   * The record of the parent. Absent for the first snapshot of a directory, and
   * if the parent's tree is damaged.
   */
  last?: ReadRecord;
  /** The entries of the parent's tree. */
  index: EntryIndex;
  /** The mode, time and owner of the directory itself. */
  root: Metadata;
  /**
   * The layers of the parent's tree, in order. The first layer has all entries.
   */
  layers: readonly LayerRecord[];
  /** The paths that the parent skipped or excluded. */
  skipped: readonly Skipped[];
  /**
   * Returns the entry of a path, with its content; `undefined` if the parent's
   * tree has no such entry.
   */
  find(path: string): Promise<TreeEntry | undefined>;
  /**
   * Called with the SHA-256 of a content, in hexadecimal. Returns an entry with
   * this content from a snapshot of another directory; `undefined` if no such
   * entry is found.
   */
  elsewhere?: (sha256: string) => Promise<TreeEntry | undefined>;
  /**
   * Whether the entries come from the state that this machine remembers, and
   * `find` has found damage in the parent's tree.
   */
  isBroken: boolean;
}

/** Returns a parent whose tree was read from the repository. */
export function parentOf(tree: Tree, last?: ReadRecord): Parent {
  return {
    last,
    index: tree.index,
    root: tree.index.root,
    layers: tree.layers,
    skipped: tree.skipped,
    find: (path) => Promise.resolve(tree.byPath.get(path)),
    isBroken: false,
  };
}

/**
 * Returns a parent whose entries this machine remembers; `undefined` if the
 * machine remembers no entries. Only the frames of the tree that contain
 * changed entries are read.
 */
export function rememberedParent(
  storage: Storage,
  last: ReadRecord,
  cache: StateCache,
): Parent | undefined {
  const index = cache.entries();
  if (index === undefined) return undefined;
  const { layers, root } = last.record;
  const lookup = new TreeFinder(storage, layers, { remember: true });
  const parent: Parent = {
    last,
    index,
    root,
    layers,
    skipped: cache.skipped,
    async find(path) {
      if (index.get(path) === undefined) return undefined;
      try {
        const entry = await lookup.find(path);
        if (entry !== undefined) return entry;
        throw new DeltarError(
          "corrupt",
          "the path is in the state cache, but not in the parent's tree",
          { path },
        );
      } catch (error) {
        if (isDamage(error)) parent.isBroken = true;
        throw error;
      }
    },
    isBroken: false,
  };
  return parent;
}
