import * as vscode from "vscode";
import { plural } from "../../../../shared/text.ts";
import type { FolderConfig } from "../../shared/protocol.ts";
import type { EncryptedRepositories } from "../encryption/encrypted_repositories.ts";
import {
  type LocationSettings,
  locationSettings,
} from "../folders/folder_config.ts";
import type { ProtectedFolder } from "../folders/protected_folder.ts";
import type { ProtectedFolders } from "../folders/protected_folders.ts";
import { explain, isCancelled } from "../ui/explain.ts";
import { showInformation } from "../ui/messages.ts";
import { showFailure, withProgress } from "../ui/notifications.ts";

const START = "Start New History";
const CONTINUE = "Continue History";
const COPY = "Copy History";
const USE_OLD = "Use Old Location";

/** Options for offering old histories. */
export interface OldHistoriesOptions {
  /** The folders of the workspace. */
  folders: ProtectedFolders;
  /** The part that prepares encrypted repositories. */
  encrypted: EncryptedRepositories;
  /** The log of the extension. */
  log: vscode.LogOutputChannel;
  /** The state that VS Code keeps for this machine. */
  memory: vscode.Memento;
}

/** An old history that a folder without snapshots can have. */
interface Found {
  /** The configuration with the repository and path of the old history. */
  from: FolderConfig;
  /** The number of snapshots. */
  snapshots: number;
  /** Whether there are safety snapshots. */
  hasSafety: boolean;
  /** Whether the folder itself was moved, so that its repository can be moved. */
  isMoved: boolean;
  /**
   * The settings with the old location, if the location was changed. Absent if
   * the folder has another path.
   */
  place?: LocationSettings;
}

/**
 * Offers to continue the old history of a folder that has no snapshots because
 * the location of its repository was changed, or because the folder was moved.
 * While the question is open, no automatic snapshots of the folder are taken.
 */
export class OldHistories implements vscode.Disposable {
  readonly #options: OldHistoriesOptions;
  /** The repositories of the folders for which a search has begun. */
  readonly #searched = new Map<ProtectedFolder, string>();
  readonly #disposables: vscode.Disposable[];

  constructor(options: OldHistoriesOptions) {
    this.#options = options;
    const look = () => this.look();
    this.#disposables = [
      options.folders.onDidChange(look),
      vscode.workspace.onDidGrantWorkspaceTrust(look),
    ];
  }

  /**
   * Searches for the old history of each folder without snapshots, once for
   * each location. Also called after the snapshots have been listed.
   */
  look(): void {
    if (!vscode.workspace.isTrusted) return;
    for (const folder of this.#options.folders.all) {
      // `undefined` means that the snapshots are not listed yet.
      if (folder.hasSnapshots === undefined || folder.question) continue;
      if (folder.hasSnapshots && !this.#isUnanswered(folder)) {
        this.#rememberPlace(folder);
        if (this.#options.memory.get(unreadKey(folder)) === undefined) {
          this.#searched.delete(folder);
          continue;
        }
      }
      const { repository } = folder.config;
      if (this.#searched.get(folder) === repository) continue;
      this.#searched.set(folder, repository);
      folder.question = this.#offer(folder).catch((error) => {
        if (isCancelled(error)) return;
        const { log } = this.#options;
        log.error(`${folder.name}: old history: ${explain(error)}`);
        void showFailure(
          `Cannot continue the history of ${folder.name}: ${explain(error)}`,
          log,
        );
      }).finally(() => {
        folder.question = undefined;
        void folder.refresh();
      });
    }
  }

  dispose(): void {
    for (const one of this.#disposables) one.dispose();
  }

  async #offer(folder: ProtectedFolder): Promise<void> {
    const { memory } = this.#options;
    const { config } = folder;
    const found = await this.#findPlace(folder) ??
      await this.#findMoved(folder);
    if (found === "unread") {
      // The next window searches again.
      await memory.update(unansweredKey(folder), true);
      return;
    }
    const declined = memory.get(declinedKey(folder));
    if (found === undefined || declined === found.from.repository) {
      await memory.update(unansweredKey(folder), undefined);
      if (found?.place) await memory.update(unreadKey(folder), undefined);
      return;
    }
    await memory.update(unansweredKey(folder), true);
    // After a change of the location, the question is about a repository that
    // is no longer used. VS Code cannot take the question back.
    const left = this.#leaves(folder, config.repository);
    const answer = await Promise.race([ask(folder, found), left.promise])
      .finally(() => left.watch.dispose());
    if (answer === undefined) return;
    if (answer === USE_OLD && found.place !== undefined) {
      await setLocation(folder, found.place);
    } else if (answer === COPY) {
      if (!await this.#copy(folder, found)) return;
    } else if (answer === CONTINUE) {
      if (!await this.#continue(folder, found)) return;
    }
    await memory.update(unreadKey(folder), undefined);
    await memory.update(unansweredKey(folder), undefined);
    await memory.update(
      declinedKey(folder),
      answer === START ? found.from.repository : undefined,
    );
    if (answer !== START) {
      await folder.storeOriginals().catch((error) => {
        // The next snapshot stores the copies.
        this.#options.log.warn(
          `${folder.name}: cannot store the first versions: ${explain(error)}`,
        );
      });
      await vscode.commands.executeCommand("deltar.snapshots.focus");
    }
  }

  /**
   * Returns a promise that resolves when the repository of a folder is no longer
   * the given one or the folder has left the workspace, and its listener.
   */
  #leaves(
    folder: ProtectedFolder,
    repository: string,
  ): { promise: Promise<undefined>; watch: vscode.Disposable } {
    const { folders } = this.#options;
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const watch = folders.onDidChange(() => {
      const isStill = folders.all.includes(folder) &&
        folder.config.repository === repository;
      if (!isStill) resolve(undefined);
    });
    return { promise, watch };
  }

  /**
   * Finds the snapshots at an old location. An old location without snapshots
   * might be on a disk that is not mounted, so it is read again in the next
   * window.
   */
  async #findPlace(folder: ProtectedFolder): Promise<Found | undefined> {
    const { memory } = this.#options;
    let unread: LocationSettings | undefined;
    for (const key of [placeKey(folder), unreadKey(folder)]) {
      const place = memory.get<LocationSettings>(key);
      if (place === undefined) continue;
      const from = folder.configAt(place);
      if (from.repository === folder.config.repository) continue;
      const counts = await this.#countsOf(folder, from);
      if (counts !== undefined && counts.snapshots > 0) {
        return { from, ...counts, isMoved: false, place };
      }
      unread ??= place;
    }
    await memory.update(unreadKey(folder), unread);
    return undefined;
  }

  /**
   * Finds the snapshots of the folder's former path.
   *
   * @returns `"unread"` if the repository of the former path cannot be read.
   */
  async #findMoved(
    folder: ProtectedFolder,
  ): Promise<Found | "unread" | undefined> {
    if (folder.hasSnapshots && !this.#isUnanswered(folder)) return undefined;
    const { config, reader } = folder;
    const moved = await reader.call("findMoved", { config });
    if (moved === undefined) return undefined;
    const { directory, repository, isMoved } = moved;
    const from = { ...config, directory, repository, former: [] };
    const counts = await this.#countsOf(folder, from);
    if (counts === undefined) return "unread";
    return counts.snapshots > 0 ? { from, ...counts, isMoved } : undefined;
  }

  /**
   * Counts the snapshots of a folder in another repository. Returns `undefined`
   * if the repository cannot be read.
   */
  async #countsOf(
    { name, reader }: ProtectedFolder,
    config: FolderConfig,
  ): Promise<{ snapshots: number; hasSafety: boolean } | undefined> {
    try {
      const listed = await reader.call("list", { config });
      const snapshots = listed.filter(({ isSafety }) => !isSafety).length;
      return { snapshots, hasSafety: listed.length > snapshots };
    } catch (error) {
      this.#options.log.warn(
        `${name}: cannot list the snapshots in ${config.repository}: ` +
          explain(error),
      );
      return undefined;
    }
  }

  /**
   * Continues the history of the folder's former path. Moves its repository if
   * possible, and otherwise copies the snapshots.
   *
   * @returns Whether the history is continued, as `#copy` does.
   */
  async #continue(folder: ProtectedFolder, found: Found): Promise<boolean> {
    const { from } = found;
    const { config, keys, writer } = folder;
    // Only the folder itself cannot have its snapshots elsewhere, too.
    if (!found.isMoved) return await this.#copy(folder, found);
    const { isMoved } = await folder.exclusive(async () => {
      const key = await keys.get(from);
      if (key !== undefined && await keys.get(config) === undefined) {
        await keys.store(config, key);
      }
      return await writer.call("continueHistory", { config, from });
    });
    if (!isMoved) return await this.#copy(folder, found);
    this.#options.log.info(
      `${folder.name}: continues the snapshots of ${from.directory}`,
    );
    return true;
  }

  /**
   * Copies the history from another repository.
   *
   * @returns Whether the history was copied. `false` if the new repository will
   * be encrypted and the user has not saved a second key.
   */
  async #copy(folder: ProtectedFolder, { from }: Found): Promise<boolean> {
    const state = await this.#options.encrypted.prepare(folder);
    if (state === "locked" || state === "uncreated") return false;
    const { config, writer } = folder;
    const { copied } = await withProgress(
      `Copying the history of ${folder.name}`,
      (signal) =>
        folder.exclusive(() =>
          writer.call("copyHistory", { config, from }, { signal })
        ),
    );
    this.#options.log.info(
      `${folder.name}: copied ${plural(copied, "snapshot")} from ` +
        from.repository,
    );
    return true;
  }

  #isUnanswered(folder: ProtectedFolder): boolean {
    return this.#options.memory.get(unansweredKey(folder), false);
  }

  /** Remembers the location at which a folder has snapshots. */
  #rememberPlace(folder: ProtectedFolder): void {
    const { memory } = this.#options;
    const place = locationSettings(folder.workspaceFolder);
    const known = memory.get<LocationSettings>(placeKey(folder));
    if (JSON.stringify(known) === JSON.stringify(place)) return;
    void memory.update(placeKey(folder), place);
  }
}

const placeKey = ({ uri }: ProtectedFolder) => `location of ${uri}`;
const declinedKey = ({ uri }: ProtectedFolder) => `declined history of ${uri}`;
/** The key of an old location that could not be read. */
const unreadKey = ({ uri }: ProtectedFolder) => `unread location of ${uri}`;
const unansweredKey = ({ uri }: ProtectedFolder) => `unanswered for ${uri}`;

function ask(
  { name, config, hasSnapshots }: ProtectedFolder,
  { from, snapshots, hasSafety, place }: Found,
): Thenable<string | undefined> {
  const count = plural(snapshots, "snapshot");
  return place === undefined
    ? showInformation(
      (hasSnapshots
        ? `${name} looks like `
        : `${name} has no snapshots at this path. It looks like `) +
        `the folder that was at ${from.directory} and has ${count}. ` +
        "Continue this history?" +
        (hasSafety ? " The last restore can then no longer be undone." : ""),
      CONTINUE,
      START,
    )
    : showInformation(
      hasSnapshots
        ? `The old location ${from.repository} has ${count} of ${name}, too.`
        : `The new location ${config.repository} has no snapshots of ` +
          `${name}. The old location ${from.repository} has ${count}.`,
      USE_OLD,
      COPY,
      START,
    );
}

/** Changes the settings to another location, where they are now defined. */
async function setLocation(
  { uri, workspaceFolder }: ProtectedFolder,
  place: LocationSettings,
): Promise<void> {
  const settings = vscode.workspace.getConfiguration("deltar.repository", uri);
  const now = locationSettings(workspaceFolder);
  for (const name of ["location", "endpoint", "region"] as const) {
    if (now[name] === place[name]) continue;
    const { workspaceFolderValue, workspaceValue } =
      settings.inspect<string>(name) ?? {};
    const target = workspaceFolderValue !== undefined
      ? vscode.ConfigurationTarget.WorkspaceFolder
      : workspaceValue !== undefined
      ? vscode.ConfigurationTarget.Workspace
      : vscode.ConfigurationTarget.Global;
    await settings.update(name, place[name], target);
  }
}
