import type { Repository, Tree } from "../../../mod.ts";
import { SharedWork } from "./shared_work.ts";

/**
 * The maximum number of trees in memory. A user compares and browses only a few
 * trees at a time.
 */
const MAX_TREES = 4;

/** A cache of the trees of snapshots. These trees never change. */
export class TreeCache {
  readonly #trees = new Map<string, SharedWork<Tree>>();

  /**
   * Returns the tree of the snapshot with this id.
   *
   * @param signal The signal that is aborted when the request is cancelled.
   * @throws {DeltarError} `aborted` if the signal fired; `not-found` if there
   * is no such snapshot; the error of reading the tree.
   */
  async get(
    repository: Repository,
    id: string,
    signal: AbortSignal,
  ): Promise<Tree> {
    const key = `${repository.id} ${id}`;
    const known = this.#trees.get(key);
    const tree = known === undefined || known.isCancelled
      ? new SharedWork(async (signal) => {
        const record = await repository.find(id);
        return await repository.tree(record, { signal });
      })
      : known;
    this.#trees.delete(key);
    this.#trees.set(key, tree);
    for (const old of [...this.#trees.keys()].slice(0, -MAX_TREES)) {
      this.#trees.delete(old);
    }
    try {
      return await tree.wait(signal);
    } catch (error) {
      const isKept = signal.aborted && !tree.isCancelled;
      if (!isKept && this.#trees.get(key) === tree) this.#trees.delete(key);
      throw error;
    }
  }
}
