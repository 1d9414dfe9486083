import * as fs from "node:fs";
import { dirname, join } from "node:path";
import type * as vscode from "vscode";
import { isFolder } from "../../../../shared/location_sum.ts";
import type { ProtectedFolder } from "../folders/protected_folder.ts";
import type { ProtectedFolders } from "../folders/protected_folders.ts";

/**
 * The time from a change in a watched folder until the records are checked, in
 * milliseconds. Further changes in the folder of the records restart the time.
 */
const QUIET_MS = 300;

/** The members of `ProtectedFolder` that this module uses. */
type Watched = Pick<
  ProtectedFolder,
  "config" | "isBusy" | "listed" | "refresh" | "safetySnapshots"
>;

/** The watcher of the records in a repository. */
interface Watcher {
  watcher: fs.FSWatcher;
  /**
   * The path of the watched folder: the folder of the records or, if it does
   * not exist, the nearest existing folder above it.
   */
  place: string;
  /** The ids of the records at the last check. */
  ids: ReadonlySet<string>;
  timer?: ReturnType<typeof setTimeout>;
}

/**
 * Lists the snapshots of a folder again when another program, such as
 * `deltar hook`, has taken or removed a snapshot. Watches the records in the
 * repository, if the repository is a folder and not on a server.
 */
export class RepositoryWatch implements vscode.Disposable {
  readonly #folders: {
    readonly all: readonly Watched[];
    readonly onDidChange: ProtectedFolders["onDidChange"];
  };
  readonly #watch: vscode.Disposable;
  /** The watchers, by the path of the folder of the records. */
  readonly #watchers = new Map<string, Watcher>();

  constructor(
    folders: Pick<ProtectedFolders, "onDidChange"> & {
      readonly all: readonly Watched[];
    },
  ) {
    this.#folders = folders;
    this.#watch = folders.onDidChange(() => this.#update());
    this.#update();
  }

  dispose(): void {
    this.#watch.dispose();
    for (const records of [...this.#watchers.keys()]) this.#end(records);
  }

  /**
   * Watches the repositories of the current folders. Stops watching all other
   * repositories.
   */
  #update(): void {
    const wanted = new Set(
      this.#folders.all.map(({ config }) => config.repository)
        .filter(isFolder).map(recordsOf),
    );
    for (const records of [...this.#watchers.keys()]) {
      if (!wanted.has(records)) this.#end(records);
    }
    for (const records of wanted) {
      if (!this.#watchers.has(records)) this.#begin(records);
    }
  }

  #begin(records: string): void {
    const place = nearestFolder(records);
    try {
      const watcher = fs.watch(place, { persistent: false }, () => {
        // A folder above the records can change all the time. If its changes
        // restarted the timer, the timer might never fire.
        if (place === records) clearTimeout(added.timer);
        else if (added.timer !== undefined) return;
        added.timer = setTimeout(() => this.#look(records), QUIET_MS);
      });
      const ids = place === records ? idsIn(records) : new Set<string>();
      const added: Watcher = { watcher, place, ids };
      watcher.on("error", () => this.#end(records));
      this.#watchers.set(records, added);
    } catch {
      // The folder cannot be watched, for example because its disk is not
      // mounted. `#update` tries again.
    }
  }

  #end(records: string): void {
    const watcher = this.#watchers.get(records);
    clearTimeout(watcher?.timer);
    watcher?.watcher.close();
    this.#watchers.delete(records);
  }

  /**
   * Lists the snapshots again if a record was added or deleted since the last
   * check.
   */
  #look(records: string): void {
    const watcher = this.#watchers.get(records);
    if (watcher === undefined) return;
    watcher.timer = undefined;
    const before = watcher.ids;
    if (watcher.place !== nearestFolder(records)) {
      this.#end(records);
      this.#begin(records);
    } else if (watcher.place === records) watcher.ids = idsIn(records);
    const ids = this.#watchers.get(records)?.ids ?? new Set();
    const added = [...ids].filter((id) => !before.has(id));
    const deleted = [...before].filter((id) => !ids.has(id));
    for (const folder of this.#folders.all) {
      if (recordsOf(folder.config.repository) !== records) continue;
      // The work that is running lists the snapshots when it ends.
      if (folder.isBusy) continue;
      const listed = new Set(
        [...folder.listed, ...folder.safetySnapshots].map(({ id }) => id),
      );
      if (
        added.some((id) => !listed.has(id)) ||
        deleted.some((id) => listed.has(id))
      ) void folder.refresh();
    }
  }
}

/** Returns the path of the folder that has the records of a repository. */
function recordsOf(repository: string): string {
  return join(repository, "snapshots");
}

/**
 * Returns the given path if it exists, and otherwise the path of the nearest
 * existing folder above it.
 */
function nearestFolder(path: string): string {
  while (!fs.existsSync(path) && dirname(path) !== path) path = dirname(path);
  return path;
}

/**
 * Returns the ids of the records in a folder, or an empty set if the folder
 * cannot be read.
 */
function idsIn(records: string): Set<string> {
  try {
    const names = fs.readdirSync(records);
    return new Set(
      names.filter((name) => /^[^.].*\.json(?:\.age)?$/.test(name))
        .map((name) => name.split(".", 1)[0]),
    );
  } catch {
    return new Set();
  }
}
