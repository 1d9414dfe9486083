import type { Repository, Tree } from "../../../mod.ts";

/**
 * The maximum number of trees in memory. A user compares and browses only a few
 * trees at a time.
 */
const MAX_TREES = 4;

/** A cache of the trees of snapshots, which never change. */
export class TreeCache {
  readonly #trees = new Map<string, Promise<Tree>>();

  /** Returns the tree of the snapshot with this id. */
  async get(repository: Repository, id: string): Promise<Tree> {
    const key = `${repository.id} ${id}`;
    const tree = this.#trees.get(key) ??
      repository.find(id).then((record) => repository.tree(record));
    this.#trees.delete(key);
    this.#trees.set(key, tree);
    for (const old of [...this.#trees.keys()].slice(0, -MAX_TREES)) {
      this.#trees.delete(old);
    }
    try {
      return await tree;
    } catch (error) {
      this.#trees.delete(key);
      throw error;
    }
  }
}
