import { fs, process } from "../bytes/node.ts";
import { parentPath } from "./path.ts";
import type { FileStat } from "./stat.ts";
import type { TargetDirectory } from "./target_directory.ts";

/**
 * Predicts which changes in a directory this process is not permitted to make.
 * The predictions are based on owners and access rights. For the superuser, and
 * on Windows, nothing is predicted.
 */
export class Permissions {
  readonly #onDisk: TargetDirectory;
  readonly #user = process.geteuid?.() ?? 0;
  /**
   * A map from the path of a folder to what is known about the folder. `why` is
   * the reason, if any, why names in the folder cannot be created, replaced or
   * deleted. `sticky` is whether the folder has the sticky bit (`S_ISVTX`) and
   * belongs to another user.
   */
  readonly #folders = new Map<string, { why?: string; sticky?: boolean }>();

  /**
   * Prepares the predictions for a directory.
   *
   * @param onDisk The directory that is to be changed.
   */
  constructor(onDisk: TargetDirectory) {
    this.#onDisk = onDisk;
  }

  /**
   * Returns why the entry at a path cannot be created, replaced or deleted, or
   * `undefined` if no reason is known.
   *
   * @param path The path below the root.
   * @param found The state of the entry that is at the path now, if any.
   */
  faultOfName(path: string, found: FileStat | undefined): string | undefined {
    if (this.#user === 0) return undefined;
    const { why, sticky } = this.#folder(parentPath(path));
    if (why !== undefined) return why;
    // In a sticky folder of another user, only the owner of an entry can
    // rename, replace or delete the entry.
    return sticky && found && found.uid !== this.#user
      ? notOwned(found)
      : undefined;
  }

  /**
   * Returns why the mode and time of an existing entry cannot be set, or
   * `undefined` if no reason is known.
   */
  faultOfState(found: FileStat): string | undefined {
    return this.#user === 0 || found.uid === this.#user
      ? undefined
      : notOwned(found);
  }

  #folder(path: string): { why?: string; sticky?: boolean } {
    let known = this.#folders.get(path);
    if (known === undefined) {
      this.#folders.set(path, known = this.#ask(path));
    }
    return known;
  }

  #ask(path: string): { why?: string; sticky?: boolean } {
    const stat = this.#onDisk.at(path);
    // If the folder belongs to this user, its mode does not matter, because
    // deltar can temporarily make the folder writable.
    if (stat?.kind !== "directory" || stat.uid === this.#user) return {};
    const place = this.#onDisk.place(path);
    // Deno cannot check access to a path that is not valid UTF-8, so nothing is
    // predicted for this folder. A change that the system refuses is reported
    // when deltar tries to make the change.
    if (!place.isWellFormed()) return {};
    try {
      fs.accessSync(place, fs.constants.W_OK | fs.constants.X_OK);
    } catch {
      return { why: `permission denied: ${place} belongs to user ${stat.uid}` };
    }
    return { sticky: (stat.mode & 0o1000) !== 0 };
  }
}

function notOwned({ uid }: FileStat): string {
  return `permission denied: the path belongs to user ${uid}`;
}
