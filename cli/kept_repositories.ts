import { statSync } from "node:fs";
import { join } from "node:path";
import type { Repository, Storage } from "../mod.ts";

/**
 * The maximum time for which a remote repository stays open, in milliseconds.
 */
const MAX_REMOTE_MS = 60_000;

/** An open repository. */
interface Kept {
  repository: Repository;
  /** The result of `stampOf` when the repository was opened. */
  stamp: string;
}

/**
 * Repositories that stay open between calls to the MCP server. A local
 * repository is opened again if its settings or keys have changed. A remote
 * repository is opened again after at most a minute.
 */
export class KeptRepositories {
  readonly #kept = new Map<string, Kept>();

  /**
   * Returns the open repository of a storage. Returns `undefined` if the
   * repository is not open, if its keys or settings have changed, or if it has
   * been open for too long.
   */
  get(storage: Storage): Repository | undefined {
    const kept = this.#kept.get(storage.location);
    return kept?.stamp === stampOf(storage) ? kept?.repository : undefined;
  }

  /** Keeps a repository open. */
  add(storage: Storage, repository: Repository): void {
    this.#kept.set(storage.location, { repository, stamp: stampOf(storage) });
  }

  /** Removes all repositories, so that later calls open them again. */
  clear(): void {
    this.#kept.clear();
  }
}

/**
 * Returns a text that changes when a repository must be opened again: for a
 * local repository, when its settings or keys change, and for a remote one,
 * every minute.
 */
function stampOf({ localPath }: Storage): string {
  if (localPath === undefined) {
    return String(Math.floor(Date.now() / MAX_REMOTE_MS));
  }
  return ["deltar.json", "keys"].map((name) => {
    const stat = statSync(join(localPath, name), {
      bigint: true,
      throwIfNoEntry: false,
    });
    return stat && `${stat.ino} ${stat.size} ${stat.mtimeNs} ${stat.ctimeNs}`;
  }).join(", ");
}
