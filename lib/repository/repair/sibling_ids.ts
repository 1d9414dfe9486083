import { DeltarError } from "../../bytes/errors.ts";
import type { Storage } from "../../storage/storage.ts";

/**
 * Finds free ids for the replacements of snapshots and layers. The id of a
 * replacement has the same time as the id of the original.
 */
export class SiblingIds {
  /**
   * The three random digits of each taken id, by the part of the id before the
   * digits.
   */
  readonly #taken = new Map<string, Set<string>>();

  private constructor() {}

  /** Reads the ids in the names of all objects of a repository. */
  static async read(storage: Storage): Promise<SiblingIds> {
    const ids = new SiblingIds();
    for await (const { name } of storage.list()) {
      for (const [, stem, chance] of name.matchAll(ANY_ID)) {
        ids.#take(stem, chance);
      }
    }
    return ids;
  }

  /**
   * Returns the next free id with the same time as the given id, and marks it
   * as taken. After the last possible id, the search continues with the first.
   *
   * @throws {DeltarError} `limit` if all ids with this time are taken.
   */
  next(id: string): string {
    const { stem, chance, suffix } = partsOf(id);
    for (let more = 1; more < 4096; more++) {
      const next = ((chance + more) % 4096).toString(16).padStart(3, "0");
      if (this.#taken.get(stem)?.has(next)) continue;
      this.#take(stem, next);
      return stem + next + suffix;
    }
    throw new DeltarError(
      "limit",
      "no free id for the new snapshot: all ids with its time are taken",
      { object: id },
    );
  }

  #take(stem: string, chance: string): void {
    const taken = this.#taken.get(stem);
    if (taken === undefined) this.#taken.set(stem, new Set([chance]));
    else taken.add(chance);
  }
}

/**
 * Matches each id in the name of an object. The groups are the part before the
 * random digits, and these digits.
 */
const ANY_ID = /(\d{8}T\d{6}Z-[0-9a-f]{3})([0-9a-f]{3})/g;

/**
 * Splits an id into the part before its three random digits, these digits, and
 * the suffix.
 */
export function partsOf(
  id: string,
): { stem: string; chance: number; suffix: string } {
  const match = /^(.*)([0-9a-f]{3})(-safety)?$/.exec(id);
  if (match === null) throw new TypeError(`invalid snapshot id: ${id}`);
  const [, stem, chance, suffix] = match;
  return { stem, chance: parseInt(chance, 16), suffix: suffix ?? "" };
}
