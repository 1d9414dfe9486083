import { statSync } from "node:fs";
import { join } from "node:path";
import type { Repository, Storage } from "../mod.ts";

/**
 * The time for which a repository that is not in a folder stays open, in
 * milliseconds.
 */
const MAX_REMOTE_MS = 60_000;

/** An open repository, and the state of its settings and keys when opened. */
interface Kept {
  repository: Repository;
  /** The state of the settings and keys when the repository was opened. */
  stamp: string;
}

/**
 * Repositories that stay open between the calls of a server. A repository is
 * opened again if its settings or keys have changed or, if it is not in a
 * folder, after a minute.
 */
export class KeptRepositories {
  readonly #kept = new Map<string, Kept>();

  /**
   * Returns the open repository of a storage, or `undefined` if it must be
   * opened, because it is not open, has changed keys or settings, or has been
   * open for too long.
   */
  get(storage: Storage): Repository | undefined {
    const kept = this.#kept.get(storage.location);
    return kept?.stamp === stampOf(storage) ? kept?.repository : undefined;
  }

  /** Keeps a repository open. */
  add(storage: Storage, repository: Repository): void {
    this.#kept.set(storage.location, { repository, stamp: stampOf(storage) });
  }

  /** Closes all repositories, so that the next call opens them again. */
  clear(): void {
    this.#kept.clear();
  }
}

/** Returns the state of the settings and keys of a repository. */
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
