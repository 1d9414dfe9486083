/**
 * Statistics about the space that a repository uses. The contents of files are
 * not read. `folder_usage.ts` adds up the space that the folders of one
 * snapshot use, and finds the largest files.
 *
 * @module
 */
import { checkAborted } from "../../bytes/abort.ts";
import { turnIfDue } from "../../bytes/turns.ts";
import { type DamageHandler, isDamage } from "../../bytes/errors.ts";
import { Family } from "../verify/family.ts";
import { FolderUsage, type PathUsage } from "./folder_usage.ts";
import { recordName } from "../format/names.ts";
import { streamEntries } from "../layers/tree_reader.ts";
import { type Proof, readProofs } from "../store/proof.ts";
import type { Store } from "../store/store.ts";
import type { SnapshotRecord } from "../format/snapshot_record.ts";
import { allPieces } from "../verify/verify_files.ts";

/** Options for statistics. */
export interface StatsOptions {
  /**
   * The snapshot for which folders and largest files are reported. Default: the
   * last snapshot, even if it is a safety snapshot.
   */
  snapshot?: SnapshotRecord;
  /**
   * The path of a folder in the snapshot. Its direct subfolders and the largest
   * files in it are reported. Default: the root.
   */
  within?: string;
  /** The maximum number of largest files to report. Default: 10. */
  largest?: number;
  /**
   * Called with the error of each record, note or layer that cannot be read.
   * The record or note is then ignored. If a layer cannot be read, `own`,
   * `alive` and `dead` are computed as if the snapshots with this layer needed
   * no volumes or layers. The error of a layer of the reported snapshot is also
   * thrown. By default, each error of a record or layer is thrown.
   */
  onDamage?: DamageHandler;
  /** The signal that ends the work with an error of code `aborted`. */
  signal?: AbortSignal;
}

/** The space that a snapshot uses. */
export interface SnapshotUsage {
  /** The snapshot. */
  record: SnapshotRecord;
  /**
   * The number of bytes that the snapshot added to the repository when it was
   * taken, not counting its record.
   */
  added: number;
  /**
   * The number of bytes that only this snapshot needs. They would be freed if
   * the snapshot were purged and all volumes with unneeded bytes were repacked.
   */
  own: number;
  /** The result of the last drill of the snapshot, if there was a drill. */
  proof?: Proof;
}

/** The statistics of a repository. */
export interface RepositoryStats {
  /** The number of objects in the repository. */
  objects: number;
  /** The total size of all objects, in bytes. */
  bytes: number;
  /** The snapshots, oldest first. */
  snapshots: SnapshotUsage[];
  /**
   * The snapshot to which `folders` and `largest` belong. Absent if the
   * repository has no snapshots.
   */
  snapshot?: SnapshotRecord;
  /**
   * The direct subfolders of the folder `within`, and one element for the files
   * directly in this folder, sorted by the space that they use, largest first.
   */
  folders: PathUsage[];
  /** The largest files in the folder `within`, largest first. */
  largest: PathUsage[];
  /**
   * The number of volumes of content and signatures, their total size in bytes,
   * and the number of bytes that snapshots need (`alive`) and do not need
   * (`dead`). Bytes that only removed snapshots need count as `dead`.
   */
  volumes: { count: number; bytes: number; alive: number; dead: number };
}

/** The owner of a range or layer that several snapshots need. */
const SHARED = "";

/**
 * Computes the statistics of a repository from the list of its objects, its
 * records and trees, and the notes of drills. See `Repository.stats`.
 */
export async function repositoryStats(
  store: Store,
  options: StatsOptions,
): Promise<RepositoryStats> {
  const { storage } = store;
  const { onDamage, signal, within = "", largest = 10 } = options;
  const sizes = new Map<string, number>();
  for await (const { name, size } of storage.list()) sizes.set(name, size);
  const records = await store.records({ onDamage });
  const proofs = await readProofs(store, onDamage);
  const owned = new Owners();
  const families = Family.of(storage, records, {
    onFailure: (error) => {
      if (onDamage === undefined || !isDamage(error)) throw error;
      onDamage(error);
    },
    signal,
  });
  for await (const family of families) {
    checkAborted(signal);
    await addFamily(owned, family);
  }
  const own = owned.bySnapshot();
  const snapshot = options.snapshot ?? records.at(-1);
  const usage = new FolderUsage(within, largest);
  if (snapshot !== undefined) {
    for await (
      const batch of streamEntries(store.storage, snapshot.layers, {
        within,
        signal,
      })
    ) {
      for (const entry of batch) usage.add(entry);
    }
  }
  const volumes = [...sizes]
    .filter(([name]) => /^(?:volumes|signatures)\//.test(name));
  const bytes = sum(volumes.map(([, size]) => size));
  const alive = Math.min(bytes, owned.alive);
  return {
    objects: sizes.size,
    bytes: sum(sizes.values()),
    snapshots: records.map((record) => {
      const { id, counts } = record;
      const proof = proofs.get(id);
      return {
        record,
        added: counts.stored,
        own: (own.get(id) ?? 0) + (sizes.get(recordName(id)) ?? 0),
        ...proof && { proof },
      };
    }),
    ...snapshot && { snapshot },
    folders: usage.folders(),
    largest: usage.largest(),
    volumes: { count: volumes.length, bytes, alive, dead: bytes - alive },
  };
}

/**
 * Records the owner of each range of a volume and of each layer: the only
 * snapshot that needs the range or layer, or `SHARED` if several snapshots need
 * it.
 */
class Owners {
  /**
   * The total size, in bytes, of the ranges of volumes that at least one
   * snapshot needs.
   */
  alive = 0;
  readonly #byKey = new Map<
    string,
    { owner: string; length: number; isOfVolume: boolean }
  >();

  add(key: string, length: number, owner: string, isOfVolume: boolean): void {
    const known = this.#byKey.get(key);
    if (known === undefined) {
      this.#byKey.set(key, { owner, length, isOfVolume });
      if (isOfVolume) this.alive += length;
    } else if (known.owner !== owner) known.owner = SHARED;
  }

  addAll(others: Owners): void {
    for (const [key, { owner, length, isOfVolume }] of others.#byKey) {
      this.add(key, length, owner, isOfVolume);
    }
  }

  bySnapshot(): Map<string, number> {
    const own = new Map<string, number>();
    for (const { owner, length } of this.#byKey.values()) {
      own.set(owner, (own.get(owner) ?? 0) + length);
    }
    return own;
  }
}

async function addFamily(owners: Owners, family: Family): Promise<void> {
  const own = await family.pass(async (batches) => {
    const own = new Owners();
    for await (const batch of batches) {
      for (const visible of batch) {
        const turn = turnIfDue();
        if (turn !== undefined) await turn;
        const pieces = allPieces(visible.entry);
        if (pieces.length === 0) continue;
        const owner = family.onlyOneHaving(visible)?.id ?? SHARED;
        for (const { reference } of pieces) {
          const { volume, offset, length } = reference;
          own.add(`${volume}:${offset}`, length, owner, true);
        }
      }
    }
    return own;
  });
  for (const { id, layers } of family.snapshots) {
    for (const { name, size } of layers) own.add(name, size, id, false);
  }
  owners.addAll(own);
}

function sum(numbers: Iterable<number>): number {
  let total = 0;
  for (const number of numbers) total += number;
  return total;
}
