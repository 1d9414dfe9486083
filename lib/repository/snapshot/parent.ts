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
   * The record of the parent. Absent for the first snapshot of a directory, for
   * a safety snapshot, and if the tree of the last snapshot is damaged.
   */
  last?: ReadRecord;
  /** The entries of the parent's tree. */
  index: EntryIndex;
  /** The mode, time, owner and extended attributes of the directory itself. */
  root: Metadata;
  /** The layers of the parent's tree, starting with the full layer. */
  layers: readonly LayerRecord[];
  /**
   * The paths that were skipped or excluded when the parent was taken, with the
   * reasons.
   */
  skipped: readonly Skipped[];
  /**
   * Returns the entry of a path, with its content; `undefined` if the parent's
   * tree has no such entry.
   */
  find(path: string): Promise<TreeEntry | undefined>;
  /**
   * Called with the SHA-256 of a content, in hexadecimal. Returns an entry with
   * this content from a snapshot of another directory; `undefined` if there is
   * no such entry. Absent if no contents of other directories are reused.
   */
  elsewhere?: (sha256: string) => Promise<TreeEntry | undefined>;
  /**
   * Whether `find` has found damage in the parent's tree. Always `false` if the
   * whole tree was read in advance.
   */
  isBroken: boolean;
}

/**
 * Returns a parent with a tree that is in memory.
 *
 * @param tree The tree of the parent. Empty if there is no parent.
 * @param last The record of the parent. See {@linkcode Parent.last}.
 */
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
 * Returns a parent with the entries that this machine remembers; `undefined` if
 * it remembers none. The parent's tree is not read as a whole. `find` reads
 * only the frames in which it looks up a path.
 *
 * @param storage The repository's storage.
 * @param last The record of the parent.
 * @param cache The state that this machine remembers from the parent.
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
          "the path is in the remembered state, but not in the parent's tree",
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
