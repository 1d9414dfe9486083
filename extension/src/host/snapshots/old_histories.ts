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
import { showInformation, showWarning } from "../ui/messages.ts";
import { showFailure, withProgress } from "../ui/notifications.ts";
import { within } from "./within.ts";

const START = "Start New History";
const CONTINUE = "Continue History";
const COPY = "Copy History";
const USE_OLD = "Use Old Location";
const DECRYPT = "Copy Without Encryption";

/**
 * The maximum time for which automatic snapshots wait for the answer to a
 * question, in milliseconds, counted from the first time that the question was
 * asked. It is long enough to read the question, even in the list of
 * notifications, and short enough that little work is done without a snapshot.
 */
const MAX_WAIT_MS = 5 * 60_000;

/** Options for offering to continue old histories. */
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

/** An old history that a folder can take over. */
interface Found {
  /**
   * The configuration of the old history, with its repository and the path that
   * the folder had.
   */
  from: FolderConfig;
  /** The number of snapshots in the old history. */
  snapshots: number;
  /**
   * Whether the folder was moved rather than copied. If it was moved, its
   * repository can be moved, too.
   */
  isMoved: boolean;
  /**
   * The settings with the old location, if the location of the repository was
   * changed. Absent if the path of the folder has changed.
   */
  place?: LocationSettings;
}

/** The search for the old history of a folder, and the question about it. */
interface Offer {
  /** The repository of the folder when the search began. */
  repository: string;
  /** Whether the user has answered. If so, the answer is being carried out. */
  isAnswered: boolean;
  /**
   * The promise that resolves when the search has ended and the answer, if
   * there was a question, has been carried out.
   */
  done: Promise<void>;
}

/** The state that is remembered about the old history of a folder. */
interface Remembered {
  /** The location at which the folder last had snapshots. */
  place?: LocationSettings;
  /**
   * An old location at which no snapshots were found, possibly because its disk
   * was not mounted. The next window reads the location again.
   */
  unread?: LocationSettings;
  /** The repository of the old history that the user has declined. */
  declined?: string;
  /**
   * The time when the user was first asked about the old history, or when
   * reading the history first failed, in milliseconds since 1970. Absent before
   * this and after the answer.
   */
  openSince?: number;
}

/**
 * Offers to continue the old history of a folder that has no snapshots because
 * the location of its repository was changed, or because the folder was moved.
 *
 * Automatic snapshots of the folder wait for the answer, but not longer than
 * `MAX_WAIT_MS`. If the user chooses to continue the history later, it consists
 * of the old snapshots and of those that were taken in the meantime.
 */
export class OldHistories implements vscode.Disposable {
  readonly #options: OldHistoriesOptions;
  /** The repository that each folder had when its last search began. */
  readonly #searched = new Map<ProtectedFolder, string>();
  /** The running search or the open question of each folder. */
  readonly #offers = new Map<ProtectedFolder, Offer>();
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
   * Begins to search for the old history of each folder, at most once for each
   * location. For a folder that has snapshots, searches only if an earlier
   * search or question is not settled. Called by the extension after the
   * snapshots of a folder have been listed.
   */
  look(): void {
    if (!vscode.workspace.isTrusted) return;
    for (const folder of this.#options.folders.all) {
      // `undefined` means that the snapshots have not been listed yet.
      if (folder.hasSnapshots === undefined) continue;
      const { repository } = folder.config;
      const current = this.#offers.get(folder);
      if (current !== undefined) {
        // If the user changed the location again before answering, the offer
        // for the new location begins now, so that automatic snapshots also
        // wait for the answer to this offer.
        const follows = !current.isAnswered && !folder.hasSnapshots &&
          current.repository !== repository;
        if (follows) this.#begin(folder, current.done);
        continue;
      }
      const { openSince, unread } = this.#remembered(folder);
      if (folder.hasSnapshots && openSince === undefined) {
        this.#rememberPlace(folder);
        if (unread === undefined) {
          this.#searched.delete(folder);
          continue;
        }
      }
      if (this.#searched.get(folder) === repository) continue;
      this.#begin(folder);
    }
  }

  /**
   * Begins an offer for a folder: searches for the old history and, if it is
   * found, asks about it.
   *
   * @param folder The folder.
   * @param earlier The promise that resolves when the offer for an earlier
   * location has ended, if that offer is still open. The search waits for this
   * promise, and the time limit of the new question begins now.
   */
  #begin(folder: ProtectedFolder, earlier?: Promise<void>): void {
    const { repository } = folder.config;
    this.#searched.set(folder, repository);
    const remembered = earlier === undefined ? this.#remembered(folder) : {};
    const { openSince = Date.now() } = remembered;
    const answered = Promise.withResolvers<void>();
    const onAnswer = () => {
      offer.isAnswered = true;
      // The next snapshot waits until the answer has been carried out.
      this.#holdSnapshots(folder, offer.done);
      answered.resolve();
    };
    const work = async () => {
      await earlier;
      await this.#offer(folder, { repository, openSince, onAnswer });
    };
    const done = work().catch((error) => {
      if (isCancelled(error)) return;
      const { log } = this.#options;
      log.error(`${folder.name}: old history: ${explain(error)}`);
      void showFailure(
        `Cannot continue the history of ${folder.name}: ${explain(error)}`,
        log,
      );
    }).finally(() => {
      if (this.#offers.get(folder) !== offer) return;
      this.#offers.delete(folder);
      void folder.refresh();
    });
    const offer: Offer = { repository, isAnswered: false, done };
    this.#offers.set(folder, offer);
    // If the clock has been set back, `openSince` can be in the future.
    const left = Math.min(
      Math.max(0, openSince + MAX_WAIT_MS - Date.now()),
      MAX_WAIT_MS,
    );
    const wait = within(left, Promise.race([answered.promise, done]));
    this.#holdSnapshots(folder, wait);
  }

  dispose(): void {
    for (const one of this.#disposables) one.dispose();
  }

  /**
   * If a folder has no snapshots, makes its automatic snapshots wait for a
   * promise. This promise replaces the one that they waited for before.
   */
  #holdSnapshots(folder: ProtectedFolder, until: Promise<void>): void {
    if (folder.hasSnapshots) return;
    const question = until.finally(() => {
      if (folder.question === question) folder.question = undefined;
    });
    folder.question = question;
  }

  /**
   * Searches for the old history of a folder, asks the user about it, and
   * carries out the answer. Does nothing if the location has changed since the
   * offer was made, because each location has its own offer.
   *
   * @param folder The folder.
   * @param offer The repository that the offer is about, the time to remember
   * as the time of the first question, and a function that is called when the
   * user chooses an answer.
   */
  async #offer(
    folder: ProtectedFolder,
    { repository, openSince, onAnswer }: {
      repository: string;
      openSince: number;
      onAnswer: () => void;
    },
  ): Promise<void> {
    const isStill = () =>
      this.#options.folders.all.includes(folder) &&
      folder.config.repository === repository;
    if (!isStill()) return;
    const found = await this.#findPlace(folder) ??
      await this.#findMoved(folder);
    if (!isStill()) return;
    const { declined } = this.#remembered(folder);
    if (found === "unread") {
      // Because of `openSince`, the next window searches again, even if the
      // folder has snapshots by then.
      await this.#remember(folder, { openSince });
      return;
    }
    if (found === undefined || declined === found.from.repository) {
      await this.#remember(folder, {
        openSince: undefined,
        unread: this.#unreadAfter(folder, found),
      });
      return;
    }
    await this.#remember(folder, { openSince });
    // If the location changes, the question no longer applies. An extension
    // cannot close a question, so this call stops waiting for the answer.
    const left = this.#leaves(folder, isStill);
    folder.isAsked = true;
    const answer = await Promise.race([ask(folder, found), left.promise])
      .finally(() => {
        left.watch.dispose();
        folder.isAsked = false;
      });
    if (answer === undefined || !isStill()) return;
    onAnswer();
    const isDone = answer === USE_OLD && found.place !== undefined
      ? await this.#useOld(folder, found.from, found.place)
      : answer === COPY
      ? await this.#copy(folder, found.from, folder.config)
      : answer === CONTINUE
      ? await this.#continue(folder, found)
      : true;
    if (!isDone) return;
    await this.#remember(folder, {
      unread: this.#unreadAfter(folder, found),
      openSince: undefined,
      declined: answer === START ? found.from.repository : undefined,
    });
    if (answer !== START) {
      await folder.storeOriginals().catch((error) => {
        // The next snapshot stores the copies, so the user is not told.
        this.#options.log.warn(
          `${folder.name}: cannot store the original files: ${explain(error)}`,
        );
      });
      await vscode.commands.executeCommand("deltar.snapshots.focus");
    }
  }

  /**
   * Returns a promise that resolves when the question about a folder no longer
   * applies and the snapshots at the new location have been listed. Also
   * returns the listener that resolves the promise.
   *
   * @param folder The folder.
   * @param isStill Returns whether the question still applies.
   */
  #leaves(
    folder: ProtectedFolder,
    isStill: () => boolean,
  ): { promise: Promise<undefined>; watch: vscode.Disposable } {
    const { folders } = this.#options;
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const check = () => {
      const isListed = folder.hasSnapshots !== undefined ||
        !folders.all.includes(folder);
      if (isListed && !isStill()) resolve(undefined);
    };
    const watch = folders.onDidChange(check);
    // The location might have changed before the listener was added.
    check();
    return { promise, watch };
  }

  /**
   * Finds the snapshots at an old location. An old location without snapshots
   * might be on a disk that is not mounted, so it is read again in the next
   * window.
   */
  async #findPlace(folder: ProtectedFolder): Promise<Found | undefined> {
    const known = this.#remembered(folder);
    let unread: LocationSettings | undefined;
    for (const place of [known.place, known.unread]) {
      if (place === undefined) continue;
      const from = folder.configAt(place);
      if (from.repository === folder.config.repository) continue;
      const snapshots = await this.#countOf(folder, from);
      if (snapshots !== undefined && snapshots > 0) {
        return { from, snapshots, isMoved: false, place };
      }
      unread ??= place;
    }
    await this.#remember(folder, { unread });
    return undefined;
  }

  /**
   * Finds the snapshots of the folder's former path.
   *
   * @returns The old history; `undefined` if there are no such snapshots, or
   * `"unread"` if the repository of the former path cannot be read.
   */
  async #findMoved(
    folder: ProtectedFolder,
  ): Promise<Found | "unread" | undefined> {
    const isOpen = this.#remembered(folder).openSince !== undefined;
    if (folder.hasSnapshots && !isOpen) return undefined;
    const { config, reader } = folder;
    const moved = await reader.call("findMoved", { config });
    if (moved === undefined) return undefined;
    const { directory, repository, isMoved } = moved;
    const from = { ...config, directory, repository, former: [] };
    const snapshots = await this.#countOf(folder, from);
    if (snapshots === undefined) return "unread";
    return snapshots > 0 ? { from, snapshots, isMoved } : undefined;
  }

  /**
   * Counts the snapshots of a folder in another repository, without safety
   * snapshots. Returns `undefined` if the repository cannot be read.
   */
  async #countOf(
    { name, reader }: ProtectedFolder,
    config: FolderConfig,
  ): Promise<number | undefined> {
    try {
      const listed = await reader.call("list", { config });
      return listed.filter(({ isSafety }) => !isSafety).length;
    } catch (error) {
      this.#options.log.warn(
        `${name}: cannot list the snapshots in ${config.repository}: ` +
          explain(error),
      );
      return undefined;
    }
  }

  /**
   * Continues the history of the folder's former path. Moves the repository if
   * possible, and otherwise copies the snapshots.
   *
   * @returns Whether the history was continued; `false` if `#copy` returns
   * `false`.
   */
  async #continue(
    folder: ProtectedFolder,
    { from, isMoved: isMovable }: Found,
  ): Promise<boolean> {
    const { config, writer } = folder;
    // If the folder might be a copy, the original folder might still use the
    // repository, so the repository is not moved.
    if (!isMovable) return await this.#copy(folder, from, config);
    const { isMoved } = await folder.exclusive(async () => {
      await shareKey(folder, from, config);
      return await writer.call("continueHistory", { config, from });
    });
    if (!isMoved) return await this.#copy(folder, from, config);
    this.#options.log.info(
      `${folder.name}: took over the history of ${from.directory}`,
    );
    return true;
  }

  /**
   * Changes the location back to the old one. Before that, copies the snapshots
   * that were taken at the new location to the old location.
   *
   * @returns Whether the location was changed; `false` if `#copy` returns
   * `false`.
   */
  async #useOld(
    folder: ProtectedFolder,
    old: FolderConfig,
    place: LocationSettings,
  ): Promise<boolean> {
    const change = () => setLocation(folder, place);
    // If a snapshot is being taken, this waits until the list has the snapshot.
    await folder.exclusive(() => Promise.resolve());
    if (folder.hasSnapshots) {
      // If the old location has become unavailable, copying would create a new
      // repository there.
      const count = await this.#countOf(folder, old);
      if (count === undefined || count === 0) throw unreadable(old);
      return await this.#copy(folder, folder.config, old, change);
    }
    await change();
    return true;
  }

  /**
   * Copies the history of a folder from one repository to another.
   *
   * An encrypted history stays encrypted: a new repository is encrypted with
   * the same key, whatever the settings say. If the target repository exists
   * and is not encrypted, the user is asked whether to copy without encryption.
   *
   * @param folder The folder.
   * @param from The configuration with the repository to copy from.
   * @param to The configuration with the repository to copy to.
   * @param next Called after the copy and before the next snapshot.
   * @returns Whether the history was copied. The result is `false` if the user
   * did not enter the key, did not save a second key of the new repository, or
   * refused a copy without encryption.
   */
  async #copy(
    folder: ProtectedFolder,
    from: FolderConfig,
    to: FolderConfig,
    next?: () => Promise<void>,
  ): Promise<boolean> {
    const { name, writer } = folder;
    const stateOf = (config: FolderConfig) =>
      writer.call("encryption", { config });
    const isEncrypted = await stateOf(from) !== "plain";
    const config = { ...to, encrypt: to.encrypt || isEncrypted };
    let state = await stateOf(config);
    if (state === "locked" || state === "uncreated") {
      // Only the repository that the current settings name can be unlocked or
      // created.
      if (to.repository !== folder.config.repository) throw unreadable(to);
      if (isEncrypted) await shareKey(folder, from, to);
      state = await this.#options.encrypted.prepare(folder, config.encrypt);
      if (state === "locked" || state === "uncreated") return false;
    }
    const mayDecrypt = isEncrypted && state === "plain";
    if (mayDecrypt && !await confirmDecrypted(folder, from, to)) return false;
    const { copied } = await withProgress(
      `Copying the history of ${name}`,
      (signal) =>
        folder.exclusive(async () => {
          const params = { config, from, mayDecrypt };
          const result = await writer.call("copyHistory", params, { signal });
          await next?.();
          return result;
        }),
    );
    this.#options.log.info(
      `${name}: copied ${plural(copied, "snapshot")} from ` +
        `${from.repository} to ${to.repository}`,
    );
    return true;
  }

  /** Remembers the location at which a folder has snapshots. */
  #rememberPlace(folder: ProtectedFolder): void {
    const place = locationSettings(folder.workspaceFolder);
    if (isSamePlace(this.#remembered(folder).place, place)) return;
    void this.#remember(folder, { place });
  }

  /**
   * Returns the remembered `unread` location, or `undefined` if it is the
   * location of an old history that has just been found.
   *
   * @param folder The folder.
   * @param found The old history, if one was found.
   */
  #unreadAfter(
    folder: ProtectedFolder,
    found: Found | undefined,
  ): LocationSettings | undefined {
    const { unread } = this.#remembered(folder);
    return isSamePlace(unread, found?.place) ? undefined : unread;
  }

  #remembered(folder: ProtectedFolder): Remembered {
    return this.#options.memory.get<Remembered>(keyOf(folder), {});
  }

  /** Changes the given fields of the remembered state of a folder. */
  async #remember(
    folder: ProtectedFolder,
    changes: Remembered,
  ): Promise<void> {
    const known = { ...this.#remembered(folder), ...changes };
    await this.#options.memory.update(keyOf(folder), known);
  }
}

function keyOf({ uri }: ProtectedFolder): string {
  return `old history of ${uri}`;
}

function isSamePlace(
  one: LocationSettings | undefined,
  other: LocationSettings | undefined,
): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

/**
 * Stores the user's key of the repository of `from` also as the key of the
 * repository of `to`, unless the keychain already has a key of the latter.
 */
async function shareKey(
  { keys }: ProtectedFolder,
  from: FolderConfig,
  to: FolderConfig,
): Promise<void> {
  const key = await keys.get(from);
  if (key !== undefined && await keys.get(to) === undefined) {
    await keys.store(to, key);
  }
}

/**
 * Asks the user whether to copy an encrypted history without encryption.
 *
 * @returns Whether the user agreed.
 */
async function confirmDecrypted(
  { name }: ProtectedFolder,
  from: FolderConfig,
  to: FolderConfig,
): Promise<boolean> {
  const answer = await showWarning(
    `Copy the encrypted history of ${name} without encryption?`,
    {
      modal: true,
      detail:
        `The repository ${from.repository} is encrypted. The repository ` +
        `${to.repository} is not, so whoever can read its files can read the ` +
        "copied snapshots.",
    },
    DECRYPT,
  );
  return answer === DECRYPT;
}

function unreadable({ repository }: FolderConfig): Error {
  return new Error(
    `the old location ${repository} cannot be read now. Make it available, ` +
      "and reload the window to be asked again.",
  );
}

function ask(
  { name, config, hasSnapshots }: ProtectedFolder,
  { from, snapshots, place }: Found,
): Thenable<string | undefined> {
  const count = plural(snapshots, "snapshot");
  const wait = hasSnapshots
    ? ""
    : ` Automatic snapshots wait at most ${MAX_WAIT_MS / 60_000} minutes for ` +
      "the answer.";
  return place === undefined
    ? showInformation(
      (hasSnapshots
        ? `${name} looks like `
        : `${name} has no snapshots at this path. It looks like `) +
        `the folder that was at ${from.directory} and has ${count}. ` +
        "Continue this history?" +
        wait,
      CONTINUE,
      START,
    )
    : showInformation(
      hasSnapshots
        ? `The old location ${from.repository} has ${count} of ${name}, too. ` +
          "If you use the old location, the newer snapshots are copied there."
        : `The new location ${config.repository} has no snapshots of ` +
          `${name}. The old location ${from.repository} has ${count}.${wait}`,
      USE_OLD,
      COPY,
      START,
    );
}

/**
 * Writes another location to the settings. Each setting is changed where it is
 * now defined: for the folder, the workspace or the user.
 */
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
