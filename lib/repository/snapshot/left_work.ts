import type { StoredContent } from "../../archive/data_packer.ts";
import { toHex } from "../../bytes/hex.ts";
import { createSha256 } from "../../bytes/sha256.ts";
import type { Storage } from "../../storage/storage.ts";
import { type Checkpoint, readCheckpoint } from "./checkpoint.ts";
import { codeOf, isDamage } from "../../bytes/errors.ts";
import { isCondemned, isMoved } from "../runs/garbage_mark.ts";
import { CHECKPOINTS, idOfObject, recordName } from "../format/names.ts";
import { namesUnder, readIfThere } from "../format/note.ts";
import type { ObjectRecord } from "../format/snapshot_record.ts";

/**
 * The runs of a directory that have checkpoints, with the names of the
 * checkpoints. Each run was interrupted or is still active.
 */
export interface LeftRuns {
  /** The ids of the runs. */
  ids: string[];
  /** The names of the runs' checkpoints. */
  names: string[];
}

/**
 * Returns the runs of a directory that have checkpoints. A run is omitted if a
 * prune is deleting or rewriting its objects, or has rewritten them.
 *
 * @param storage The repository's storage.
 * @param directory The name of the directory in the repository.
 * @param signer The public half of the key that must have signed the
 * checkpoints. If `undefined`, all checkpoints are used, even unsigned ones.
 */
export async function findLeftRuns(
  storage: Storage,
  directory: string,
  signer: string | undefined,
): Promise<LeftRuns> {
  const left: LeftRuns = { ids: [], names: [] };
  const verdicts = new Map<string, boolean>();
  for (const name of await namesUnder(storage, CHECKPOINTS)) {
    const id = idOfObject(name);
    if (id === undefined) continue;
    if (!verdicts.has(id)) {
      const checkpoint = await tryRead(storage, name, signer);
      const isOurs = checkpoint?.directory === directory &&
        !await isCondemned(storage, [id]) && !await isMoved(storage, [id]);
      verdicts.set(id, isOurs);
    }
    if (!verdicts.get(id)) continue;
    left.names.push(name);
    if (!left.ids.includes(id)) left.ids.push(id);
  }
  return left;
}

/**
 * The contents that interrupted runs have stored and that a new run can take
 * over.
 */
export class LeftWork {
  /** The volumes of the contents. */
  readonly objects: ObjectRecord[] = [];
  readonly #whole = new Map<string, StoredContent & { path: string }>();
  readonly #deltas = new Map<string, StoredContent>();
  readonly #sizes = new Set<number>();

  /**
   * Reads the checkpoints of interrupted runs. Call this method after storing
   * the intent of the run that takes the contents over. Until then, a prune can
   * delete the objects of the interrupted runs.
   *
   * @param storage The repository's storage.
   * @param left The runs.
   * @param expected `parent` is the id of the parent of the next snapshot.
   * Deltas that were made against another parent are ignored. `signer` is the
   * public half of the key that must have signed the checkpoints, as for
   * `findLeftRuns`. If `isLocal` is `true`, the storage is a folder of this
   * machine, and the SHA-256 of each volume is checked. Otherwise only the
   * sizes of volumes are checked.
   */
  static async read(
    storage: Storage,
    left: LeftRuns,
    { parent, signer, isLocal }: {
      parent: string | undefined;
      signer: string | undefined;
      isLocal: boolean;
    },
  ): Promise<LeftWork> {
    const work = new LeftWork();
    const sizes = new Map<string, number>();
    for (const id of left.ids) {
      for await (const { name, size } of storage.list(`volumes/${id}.`)) {
        sizes.set(name, size);
      }
    }
    const committed = new Set<string>();
    for (const id of left.ids) {
      const bytes = await readIfThere(storage, recordName(id));
      if (bytes !== undefined) committed.add(id);
    }
    /** Whether each volume can be reused, by its record as JSON. */
    const usable = new Map<string, boolean>();
    for (const name of left.names) {
      // If a run stored its commit record, its contents are already part of a
      // snapshot.
      const id = idOfObject(name);
      if (id !== undefined && committed.has(id)) continue;
      const checkpoint = await tryRead(storage, name, signer);
      if (checkpoint === undefined) continue;
      const { object } = checkpoint;
      // A volume can have several checkpoints, but is checked only once.
      const key = JSON.stringify(object);
      let isUsable = usable.get(key);
      if (isUsable === undefined) {
        isUsable = sizes.get(object.name) === object.size &&
          (!isLocal || await isWhole(storage, object));
        usable.set(key, isUsable);
        if (isUsable) work.objects.push(object);
      }
      if (isUsable) work.#add(checkpoint, checkpoint.parent === parent);
    }
    return work;
  }

  /** Returns whether a file of this size, in bytes, might have been stored. */
  hasSize(size: number): boolean {
    return this.#sizes.has(size);
  }

  /**
   * Returns the stored content of a file; `undefined` if there is none.
   *
   * @param sha256 The file's SHA-256, in hexadecimal.
   * @param path The file's path. A delta can be used only for the same path.
   */
  find(sha256: string, path: string): StoredContent | undefined {
    const whole = this.#whole.get(sha256);
    if (whole === undefined) return this.#deltas.get(`${sha256} ${path}`);
    const { path: stored, ...rest } = whole;
    return stored === path ? rest : { ...rest, path: stored };
  }

  #add({ contents }: Checkpoint, takesDeltas: boolean): void {
    for (const { path, sha256, size, piece } of contents) {
      if (piece.form === "whole") {
        this.#whole.set(sha256, { ...piece, path });
      } else if (takesDeltas) {
        this.#deltas.set(`${sha256} ${path}`, piece);
      } else continue;
      this.#sizes.add(size);
    }
  }
}

/**
 * Returns whether a stored object has its recorded size and SHA-256. Called
 * only for a storage on a local disk, which can lose the content of a file in a
 * crash. Reading an object from any other storage can cost as much as storing
 * it again.
 */
async function isWhole(
  storage: Storage,
  { name, size, sha256 }: ObjectRecord,
): Promise<boolean> {
  const sum = createSha256();
  let length = 0;
  try {
    for await (const part of storage.get(name, { fresh: true })) {
      sum.update(part);
      length += part.length;
      if (length > size) return false;
    }
  } catch (error) {
    // With a write-only key, the object cannot be decrypted, so it is not
    // checked.
    if (codeOf(error) === "key") return true;
    if (isDamage(error)) return false;
    throw error;
  }
  return length === size && toHex(sum.digest()) === sha256;
}

async function tryRead(
  storage: Storage,
  name: string,
  signer: string | undefined,
): Promise<Checkpoint | undefined> {
  try {
    const checkpoint = await readCheckpoint(storage, name);
    const isOurs = signer === undefined || checkpoint.signer === signer;
    return isOurs ? checkpoint : undefined;
  } catch (error) {
    // The error can be `not-found`, because the checkpoint might have been
    // deleted after it was listed.
    if (isDamage(error)) return undefined;
    // A write-only key cannot decrypt the checkpoints of other machines, so
    // these are ignored.
    if (codeOf(error) === "key") return undefined;
    throw error;
  }
}
