import { createHash } from "node:crypto";
import type { FolderConfig } from "../../shared/protocol.ts";

/**
 * The identities of the repositories that were opened with a passphrase. They
 * are kept in memory, because deriving a key from a passphrase takes about a
 * second, and a worker forgets the identities when it ends.
 */
export class RepositoryIdentities {
  /**
   * The identities, with the result of `accessOf`, by the location of the
   * repository.
   */
  readonly #known = new Map<
    string,
    { access: string; identities: Promise<readonly string[]> }
  >();

  /**
   * Returns the identities of a repository, or an empty list if they are not
   * known. If the user's key, the endpoint or the credentials have changed or
   * were removed, forgets the identities and returns an empty list.
   */
  async get(config: FolderConfig): Promise<readonly string[]> {
    const { repository } = config;
    const known = this.#known.get(repository);
    if (known === undefined) return [];
    if (known.access === accessOf(config)) return await known.identities;
    this.#known.delete(repository);
    return [];
  }

  /**
   * Remembers the identities of a repository that was opened, if the user's key
   * is a passphrase and the identities are not known yet.
   *
   * @param config The configuration with the user's key.
   * @param read Called to read the identities, if they are not known. If the
   * call fails or returns an empty list, no identities are remembered.
   */
  remember(
    config: FolderConfig,
    read: () => Promise<readonly string[]>,
  ): void {
    if (typeof config.key !== "object") return;
    const { repository } = config;
    const access = accessOf(config);
    if (this.#known.get(repository)?.access === access) return;
    const identities = read().catch(() => []).then((read) => {
      const isEmpty = read.length === 0;
      if (isEmpty && this.#known.get(repository) === known) {
        this.#known.delete(repository);
      }
      return read;
    });
    const known = { access, identities };
    this.#known.set(repository, known);
  }
}

/**
 * Returns the SHA-256, in hexadecimal, of the user's key and of the environment
 * variables with the endpoint, the region and the credentials. The result
 * changes if any of these changes.
 */
function accessOf({ key, env }: FolderConfig): string {
  const access = JSON.stringify([key ?? null, env ?? null]);
  return createHash("sha256").update(access).digest("hex");
}
