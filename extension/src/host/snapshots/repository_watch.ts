import * as fs from "node:fs";
import { join } from "node:path";
import type * as vscode from "vscode";
import { isFolder } from "../../../../shared/location_sum.ts";
import type { ProtectedFolder } from "../folders/protected_folder.ts";
import type { ProtectedFolders } from "../folders/protected_folders.ts";

/**
 * The time to wait after the last change to a repository before the snapshots
 * are listed again, in milliseconds.
 */
const QUIET_MS = 300;

/** The parts of a folder that this file uses. */
type Watched = Pick<
  ProtectedFolder,
  "config" | "isBusy" | "listed" | "refresh" | "safetySnapshots"
>;

/**
 * Lists the snapshots of a folder again when another program, such as
 * `deltar hook`, has taken or removed one. Watches the records in the
 * repository, if the repository is in a folder of this machine.
 */
export class RepositoryWatch implements vscode.Disposable {
  readonly #folders: {
    readonly all: readonly Watched[];
    readonly onDidChange: ProtectedFolders["onDidChange"];
  };
  readonly #watch: vscode.Disposable;
  /** The watchers by the paths of the records. */
  readonly #watchers = new Map<string, fs.FSWatcher>();
  readonly #timers = new Map<string, ReturnType<typeof setTimeout>>();

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

  /** Watches the repositories of the current folders, and no others. */
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
    try {
      const watcher = fs.watch(records, { persistent: false }, () => {
        clearTimeout(this.#timers.get(records));
        this.#timers.set(
          records,
          setTimeout(() => void this.#look(records), QUIET_MS),
        );
      });
      watcher.on("error", () => this.#end(records));
      this.#watchers.set(records, watcher);
    } catch {
      // The repository does not exist yet, or its disk is not mounted. The next
      // change of a folder tries again.
    }
  }

  #end(records: string): void {
    clearTimeout(this.#timers.get(records));
    this.#timers.delete(records);
    this.#watchers.get(records)?.close();
    this.#watchers.delete(records);
  }

  /** Lists the snapshots again if the list lacks one, or has one too many. */
  async #look(records: string): Promise<void> {
    const names = await fs.promises.readdir(records).catch(() => {
      // If another repository takes its place, it needs a new watcher.
      this.#end(records);
      return [];
    });
    const stored = new Set(names.map((name) => name.split(".", 1)[0]));
    for (const folder of this.#folders.all) {
      if (recordsOf(folder.config.repository) !== records) continue;
      // The work that is running lists the snapshots at its end.
      if (folder.isBusy) continue;
      const known = [...folder.listed, ...folder.safetySnapshots]
        .map(({ id }) => id);
      const isSame = known.length === stored.size &&
        known.every((id) => stored.has(id));
      if (!isSame) folder.refresh();
    }
  }
}

/** Returns the path of the folder of records in a repository. */
function recordsOf(repository: string): string {
  return join(repository, "snapshots");
}
