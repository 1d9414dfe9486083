import { codecFor } from "../../archive/codec.ts";
import { paddingCodec } from "../../archive/padding.ts";
import { checkAborted } from "../../bytes/abort.ts";
import { codeOf, isDamage } from "../../bytes/errors.ts";
import { codecOf, moveName, volumeName } from "../format/names.ts";
import { encodeMove } from "../content/move.ts";
import { forEachConcurrent } from "../../bytes/for_each_concurrent.ts";
import type { Store } from "../store/store.ts";
import { Run } from "../runs/run.ts";
import type { RepackCandidate } from "./candidates.ts";
import type { Lease } from "./lease.ts";
import type { PruneOptions, PruneProgress } from "./prune.ts";
import { repackVolume } from "./repack.ts";
import type { RepositoryState } from "./repository_state.ts";
import { MAX_REQUESTS_AT_ONCE } from "../../storage/max_requests.ts";
import type { Usage } from "./usage.ts";

/** The irreversible steps of a prune: deleting and repacking objects. */
export class CollectWork {
  deleted = 0;
  repacked = 0;
  freed = 0;
  readonly damaged: string[] = [];
  readonly #store: Store;
  readonly #lease: Lease;
  readonly #id: string;
  readonly #found: RepositoryState;
  readonly #options: PruneOptions;

  constructor(
    store: Store,
    lease: Lease,
    id: string,
    found: RepositoryState,
    options: PruneOptions,
  ) {
    this.#store = store;
    this.#lease = lease;
    this.#id = id;
    this.#found = found;
    this.#options = options;
  }

  async delete(names: readonly string[]): Promise<void> {
    if (names.length > 0) await this.#lease.check();
    await this.#store.manifests?.removing(names);
    await forEachConcurrent(names, MAX_REQUESTS_AT_ONCE, async (name) => {
      checkAborted(this.#options.signal);
      await this.#lease.checkAgain();
      await this.#store.storage.delete(name);
      this.deleted++;
      this.freed += this.#found.stored.get(name) ?? 0;
      this.#tell("deleting", this.deleted, names.length);
    });
  }

  async repack(
    candidates: readonly Omit<RepackCandidate, "freed">[],
    usage: Usage,
  ): Promise<void> {
    await using run = new Run(this.#store, { id: this.#id });
    for (const [at, candidate] of candidates.entries()) {
      checkAborted(this.#options.signal);
      this.#tell("repacking", at, candidates.length);
      try {
        await this.#repackOne(run, at, candidate, usage);
      } catch (error) {
        const code = codeOf(error);
        // One volume that cannot be repacked does not end the prune. Another
        // prune may have moved the volume already, the volume may be damaged,
        // or rewriting its frames with the same length may be impossible.
        const isKept = code === "unsupported" || isDamage(error);
        if (code !== "exists" && !isKept) throw error;
        if (code !== "exists") this.damaged.push(candidate.name);
      }
    }
  }

  async #repackOne(
    run: Run,
    at: number,
    { name, ranges }: Omit<RepackCandidate, "freed">,
    usage: Usage,
  ): Promise<void> {
    const { storage } = this.#store;
    const { signal } = this.#options;
    const from = usage.volumes.get(name)?.record;
    if (from === undefined) {
      throw new TypeError(
        `no layer or move records the size and SHA-256 of the volume: ${name}`,
      );
    }
    const folder = name.startsWith("signatures/") ? "signatures" : "volumes";
    // A volume of a copied snapshot may be compressed with a codec other than
    // the repository's.
    const { name: kind } = codecOf(name);
    const codec = this.#found.isPadded ? paddingCodec(kind) : codecFor(kind);
    const to = volumeName(folder, this.#id, at, kind);
    const move = await repackVolume(
      run.storage,
      from,
      ranges,
      to,
      codec,
      signal,
    );
    try {
      await this.#lease.check();
      await run.check();
      await run.storage.put(moveName(name), encodeMove(move), {
        ifAbsent: true,
      });
    } catch (error) {
      // Without the move, nothing refers to the new volume, so the volume is
      // deleted. After an error of code `io`, the volume is kept, because the
      // move may have been stored in spite of the error.
      if (codeOf(error) !== "io") await run.storage.delete(to);
      throw error;
    }
    // The old volume is deleted only if the checks of the run and of the lease
    // succeed. If the run was declared dead, the new volume may have been
    // deleted. If another prune took over the lease, the old volume may be
    // needed again.
    await run.check();
    await this.#lease.check();
    await this.#store.manifests?.removing([name]);
    await storage.delete(name);
    this.repacked++;
    this.freed += from.size - move.to.size;
  }

  #tell(phase: PruneProgress["phase"], done: number, all: number): void {
    this.#options.onProgress?.({ phase, done, all });
  }
}
