import type { FolderConfig } from "../../shared/protocol.ts";

/**
 * The identities of the repositories that were opened with a passphrase. They
 * are kept in memory, because deriving a key from a passphrase takes about a
 * second, and a worker forgets the identities when it ends.
 */
export class RepositoryIdentities {
  /** The identities and the user's key, by the location of the repository. */
  readonly #known = new Map<
    string,
    { key: string; identities: Promise<readonly string[]> }
  >();

  /**
   * Returns the identities of a repository, or an empty list if they are not
   * known. If the user's key has changed or was removed, forgets the identities
   * and returns an empty list.
   */
  async get(config: FolderConfig): Promise<readonly string[]> {
    const place = placeOf(config);
    const known = this.#known.get(place);
    if (known === undefined) return [];
    if (known.key === keyOf(config)) return await known.identities;
    this.#known.delete(place);
    return [];
  }

  /**
   * Remembers the identities of a repository that was opened, if the user's key
   * is a passphrase and the identities are not known yet.
   *
   * @param config The configuration with the user's key.
   * @param read Returns the identities. Errors count as an empty list.
   */
  remember(
    config: FolderConfig,
    read: () => Promise<readonly string[]>,
  ): void {
    const place = placeOf(config);
    const key = keyOf(config);
    if (typeof config.key !== "object") return;
    if (this.#known.get(place)?.key === key) return;
    const identities = read().catch(() => []).then((read) => {
      const isEmpty = read.length === 0;
      if (isEmpty && this.#known.get(place) === known) {
        this.#known.delete(place);
      }
      return read;
    });
    const known = { key, identities };
    this.#known.set(place, known);
  }
}

function placeOf({ repository, env }: FolderConfig): string {
  return JSON.stringify([repository, env]);
}

function keyOf({ key }: FolderConfig): string {
  return JSON.stringify(key ?? null);
}
