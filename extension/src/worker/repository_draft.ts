import { Buffer } from "node:buffer";
import {
  DeltarError,
  MemoryStorage,
  Repository,
  type Storage,
} from "../../../mod.ts";
import type { KeyFor, RepositoryKeys } from "../../../lib/repository/mod.ts";
import { codeOf } from "../../../shared/error_code.ts";

/**
 * A new encrypted repository in memory. The draft exists before anything is
 * stored, so that the recovery sheet can be saved first.
 */
export class RepositoryDraft {
  /** The id of the repository. */
  readonly id: string;
  /** The keys of the repository. */
  readonly keys: RepositoryKeys;
  /**
   * The identity for which the first key is encrypted, if the identity was made
   * for this draft.
   */
  readonly made: string | undefined;
  readonly #memory: MemoryStorage;

  private constructor(
    memory: MemoryStorage,
    id: string,
    keys: RepositoryKeys,
    made: string | undefined,
  ) {
    this.#memory = memory;
    this.id = id;
    this.keys = keys;
    this.made = made;
  }

  /**
   * Makes a repository in memory.
   *
   * @param first The name of the first key, and what it is encrypted for.
   * @param made The identity for which the first key is encrypted, if the
   *   identity was made for the draft.
   */
  static async make(first: KeyFor, made?: string): Promise<RepositoryDraft> {
    const memory = new MemoryStorage();
    const { id, keys } = await Repository.create(memory, { encrypt: first });
    if (keys === undefined) throw new TypeError("the draft is not encrypted");
    return new RepositoryDraft(memory, id, keys, made);
  }

  /**
   * Stores the repository. If a call fails, another call continues the work.
   *
   * @throws {DeltarError} `exists` if there is another repository, or a part of
   * one, in this storage. In that case, the objects that this call stored have
   * been deleted.
   */
  async store(storage: Storage): Promise<void> {
    storage.prepare?.();
    const stored: string[] = [];
    try {
      for (const [name, bytes] of this.#inOrder()) {
        if (await putOnce(storage, name, bytes)) stored.push(name);
      }
    } catch (cause) {
      if (codeOf(cause) !== "exists") throw cause;
      for (const name of stored) await storage.delete(name);
      throw new DeltarError(
        "exists",
        "there is another repository at this location, or a part of one " +
          "whose creation was interrupted. Try again. If this happens again, " +
          "choose another location",
        { object: storage.location, cause },
      );
    }
  }

  /**
   * Returns the objects in the order in which they are stored. The settings are
   * stored last, because a repository exists as soon as its settings exist.
   */
  #inOrder(): [string, Uint8Array][] {
    const isSettings = (name: string) => name === "deltar.json";
    return [...this.#memory.objects].sort(([a], [b]) =>
      Number(isSettings(a)) - Number(isSettings(b))
    );
  }
}

/**
 * Stores an object, unless it is already stored. Returns whether this call
 * stored it.
 *
 * @throws {DeltarError} `exists` if an object with this name but other bytes is
 * stored.
 */
async function putOnce(
  storage: Storage,
  name: string,
  bytes: Uint8Array,
): Promise<boolean> {
  try {
    await storage.put(name, bytes, { ifAbsent: true });
    return true;
  } catch (error) {
    if (codeOf(error) !== "exists") throw error;
    const length = bytes.length + 1;
    const there = storage.get(name, { offset: 0, length, clamp: true });
    const isSame = Buffer.concat(await Array.fromAsync(there)).equals(bytes);
    if (!isSame) throw error;
    return false;
  }
}
