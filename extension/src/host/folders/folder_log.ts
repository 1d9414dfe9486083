import type * as vscode from "vscode";
import { virtualText } from "../ui/virtual_text.ts";
import type { ProtectedFolder } from "./protected_folder.ts";
import type { ProtectedFolders } from "./protected_folders.ts";

/**
 * Logs the version of the extension, the repository of each folder, failures to
 * list snapshots, and the folders of which no snapshots are taken.
 */
export class FolderLog implements vscode.Disposable {
  readonly #folders: ProtectedFolders;
  readonly #log: vscode.LogOutputChannel;
  readonly #repositories = new WeakMap<ProtectedFolder, string>();
  readonly #listErrors = new WeakMap<ProtectedFolder, string | undefined>();
  /** The URIs of the virtual folders that have been logged. */
  readonly #virtual = new Set<string>();
  readonly #watch: vscode.Disposable;

  constructor(
    folders: ProtectedFolders,
    log: vscode.LogOutputChannel,
    version: string,
  ) {
    this.#folders = folders;
    this.#log = log;
    log.info(`Deltar ${version}`);
    this.#watch = folders.onDidChange(() => this.#update());
    this.#update();
  }

  dispose(): void {
    this.#watch.dispose();
  }

  #update(): void {
    for (const { name, uri } of this.#folders.virtualFolders) {
      if (this.#virtual.has(`${uri}`)) continue;
      this.#virtual.add(`${uri}`);
      this.#log.info(virtualText(name));
    }
    for (const folder of this.#folders.all) {
      const { name } = folder;
      const { directory, repository } = folder.config;
      if (this.#repositories.get(folder) !== repository) {
        this.#repositories.set(folder, repository);
        this.#log.info(
          `${name}: snapshots of ${directory} are stored in ${repository}`,
        );
      }
      if (this.#listErrors.get(folder) !== folder.listError) {
        this.#listErrors.set(folder, folder.listError);
        if (folder.listError !== undefined) {
          this.#log.warn(
            `${name}: cannot list the snapshots: ${folder.listError}`,
          );
        }
      }
    }
  }
}
