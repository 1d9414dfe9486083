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
  /**
   * The settings with the old location, if the location was changed. Absent if
   * the folder was moved.
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
        this.#searched.delete(folder);
        continue;
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
    const found = await this.#find(folder);
    const declined = memory.get(declinedKey(folder));
    if (found === undefined || declined === found.from.repository) {
      await memory.update(unansweredKey(folder), undefined);
      return;
    }
    await memory.update(unansweredKey(folder), true);
    // After a change of the location, the question is about a repository that
    // is no longer used. VS Code cannot take the question back.
    const answer = await Promise.race([
      ask(folder, found),
      this.#leaves(folder, config.repository),
    ]);
    if (answer === undefined) return;
    if (answer === USE_OLD && found.place !== undefined) {
      await setLocation(folder, found.place);
    } else if (answer === COPY) {
      if (!await this.#copy(folder, found)) return;
    } else if (answer === CONTINUE) await this.#continue(folder, found);
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

  /** Resolves when the repository of a folder is no longer the given one. */
  #leaves(folder: ProtectedFolder, repository: string): Promise<undefined> {
    return new Promise((resolve) => {
      const watch = this.#options.folders.onDidChange(() => {
        if (folder.config.repository === repository) return;
        watch.dispose();
        resolve(undefined);
      });
      this.#disposables.push(watch);
    });
  }

  async #find(folder: ProtectedFolder): Promise<Found | undefined> {
    const { log, memory } = this.#options;
    const { config, reader } = folder;
    const place = memory.get<LocationSettings>(placeKey(folder));
    const old = place && folder.configAt(place);
    if (old !== undefined && old.repository !== config.repository) {
      const count = await countOf(folder, old).catch((error) => {
        log.warn(
          `${folder.name}: cannot list the snapshots in ${old.repository}: ` +
            explain(error),
        );
        return 0;
      });
      if (count > 0) return { from: old, snapshots: count, place };
    }
    const moved = await reader.call("findMoved", { config });
    if (moved === undefined) return undefined;
    const from = { ...config, ...moved, former: [] };
    return { from, snapshots: await countOf(folder, from) };
  }

  /** Continues the history of the folder's former path. */
  async #continue(folder: ProtectedFolder, { from }: Found): Promise<void> {
    const { config, keys, writer } = folder;
    await folder.exclusive(async () => {
      const key = await keys.get(from);
      if (key !== undefined && await keys.get(config) === undefined) {
        await keys.store(config, key);
      }
      await writer.call("continueHistory", { config, from });
    });
    this.#options.log.info(
      `${folder.name}: continues the snapshots of ${from.directory}`,
    );
  }

  /**
   * Copies the history from the old location.
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
const unansweredKey = ({ uri }: ProtectedFolder) => `unanswered for ${uri}`;

/** Returns the number of snapshots of a folder in another repository. */
async function countOf(
  { reader }: ProtectedFolder,
  config: FolderConfig,
): Promise<number> {
  const snapshots = await reader.call("list", { config });
  return snapshots.filter(({ isSafety }) => !isSafety).length;
}

function ask(
  { name, config }: ProtectedFolder,
  { from, snapshots, place }: Found,
): Thenable<string | undefined> {
  const count = plural(snapshots, "snapshot");
  return place === undefined
    ? showInformation(
      `${name} has no snapshots at this path. It looks like ` +
        `${from.directory}, which no longer exists and has ${count}. ` +
        "Continue this history?",
      CONTINUE,
      START,
    )
    : showInformation(
      `The new location ${config.repository} has no snapshots of ${name}. ` +
        `The old location ${from.repository} has ${count}.`,
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
