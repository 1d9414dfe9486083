import * as vscode from "vscode";
import { isFolder } from "../../../../shared/location_sum.ts";
import type { EncryptionState } from "../../shared/protocol.ts";
import { EngineError } from "../engine.ts";
import type { ProtectedFolder } from "../folders/protected_folder.ts";
import { showInformation, showWarning } from "../ui/messages.ts";
import { noSnapshotsText } from "../ui/snapshot_text.ts";
import { askKey } from "./ask_key.ts";
import {
  ADD_PASSPHRASE,
  addPassphrase,
  SAVE_SHEET,
  saveRecoverySheet,
} from "./second_key.ts";

/**
 * Creates encrypted repositories and asks for their keys.
 *
 * The key of a new repository is only in the keychain of one machine. If this
 * machine is lost, the key is lost, too. So a repository that is not in a
 * folder, such as one on S3, is created only after the user has saved a second
 * key. A repository in a folder is created first, and then the user is reminded
 * to save a second key.
 */
export class EncryptedRepositories {
  readonly #memory: vscode.Memento;
  /**
   * The ids of the repositories for which the user saved a second key before
   * the repository was stored.
   */
  readonly #saved = new Set<string>();
  /**
   * The names of the keys that this window has asked for or that the user has
   * deleted in this window. `askForMissing()` does not ask for these keys.
   */
  readonly #asked = new Set<string>();
  /**
   * The promise of the last request for a key by `askForMissing()`. The next
   * request waits for this promise, because only one input box can be shown at
   * a time.
   */
  #question: Promise<unknown> = Promise.resolve();

  /**
   * Creates the part of the extension that handles encrypted repositories.
   *
   * @param memory The state that VS Code keeps for this workspace.
   */
  constructor(memory: vscode.Memento) {
    this.#memory = memory;
  }

  /**
   * Asks for the key of the repository of each folder, if the repository is
   * locked. Does not ask if this window has already asked for the key, or if
   * the user has deleted the key in this window.
   */
  askForMissing(folders: readonly ProtectedFolder[]): void {
    for (const folder of folders) {
      const name = folder.keys.nameOf(folder.config);
      if (!folder.isLocked || this.#asked.has(name)) continue;
      this.#asked.add(name);
      this.#question = this.#question.then(async () => {
        if (folder.isLocked) await askKey(folder);
      });
    }
  }

  /**
   * Prepares the repository of a folder for a command that the user runs. Asks
   * for the key if the repository is locked. If the repository does not exist
   * and `encrypt` is `true`, creates an encrypted repository, unless the user
   * has to save a second key first and cancels.
   *
   * @param folder The folder.
   * @param encrypt Whether a new repository is to be encrypted. Default: the
   * setting of the folder.
   * @returns The state of the repository afterwards.
   */
  async prepare(
    folder: ProtectedFolder,
    encrypt: boolean = folder.config.encrypt,
  ): Promise<EncryptionState> {
    const state = await stateOf(folder, encrypt);
    if (state === "locked") {
      this.#asked.add(folder.keys.nameOf(folder.config));
      return await askKey(folder) ? "unlocked" : state;
    }
    if (state !== "uncreated") return state;
    const isReady = isLocal(folder) || await this.#askToSave(folder);
    if (!isReady) return state;
    await this.#create(folder, encrypt);
    // Another window might have created a repository in the meantime.
    return await stateOf(folder, encrypt);
  }

  /**
   * Creates the repository of a folder after a snapshot failed because the
   * repository did not exist. Does nothing if the snapshot failed for another
   * reason. Also does nothing if the location of the repository is not a
   * folder, because then the user has to save a second key first.
   *
   * @returns Whether the snapshot can be tried again.
   */
  async createUnasked(
    folder: ProtectedFolder,
    error: unknown,
  ): Promise<boolean> {
    const isUncreated = error instanceof EngineError &&
      error.code === "uncreated";
    if (!isUncreated || !isLocal(folder)) return false;
    await this.#create(folder);
    return true;
  }

  /**
   * Creates the repository of a folder if it does not exist and will be
   * encrypted. Asks for the key if the repository is locked. In all other
   * cases, shows the state of the repository.
   *
   * @returns Whether the repository was created.
   */
  async create(folder: ProtectedFolder): Promise<boolean> {
    if (await stateOf(folder) === "uncreated") {
      return await this.prepare(folder) === "unlocked";
    }
    await this.enterKey(folder);
    return false;
  }

  /** Saves a recovery sheet of the repository of a folder. */
  async saveSheet(folder: ProtectedFolder): Promise<void> {
    await this.#saveSecondKey(folder, saveRecoverySheet);
  }

  /** Adds a passphrase to the keys of the repository of a folder. */
  async addPassphrase(folder: ProtectedFolder): Promise<void> {
    await this.#saveSecondKey(folder, addPassphrase);
  }

  /**
   * Asks for the key of a folder's repository if the repository is locked.
   * Otherwise, shows the state of the repository.
   */
  async enterKey(folder: ProtectedFolder): Promise<void> {
    const state = await stateOf(folder);
    if (state === "locked") await askKey(folder);
    else showState(folder, state);
  }

  /**
   * Deletes the key of the repository of a folder from the keychain, after the
   * user has confirmed the deletion.
   */
  async forgetKey(folder: ProtectedFolder): Promise<void> {
    const { config, keys, name } = folder;
    if (await keys.get(config) === undefined) {
      void showInformation(
        `The keychain has no key for the snapshots of ${name}.`,
      );
      return;
    }
    const forget = "Forget Key";
    const answer = await showWarning(
      `Forget the key of the snapshots of ${name}?`,
      {
        modal: true,
        detail: this.#isUnsaved(folder)
          ? "You have not saved a recovery sheet or added a passphrase in " +
            "VS Code. Without another key, nobody will be able to read the " +
            "snapshots."
          : "To see or take snapshots again, you will need a recovery sheet, " +
            "a passphrase or another key.",
      },
      forget,
    );
    if (answer !== forget) return;
    this.#asked.add(keys.nameOf(config));
    await keys.forget(config);
  }

  /**
   * Reminds the user to save a second key of a folder's repository, if only
   * this machine has a key of the repository.
   */
  async remind(folder: ProtectedFolder): Promise<void> {
    if (!this.#isUnsaved(folder)) return;
    const answer = await showWarning(
      `The snapshots of ${folder.name} are encrypted, and only this machine ` +
        "has the key. Save a recovery sheet or add a passphrase. Otherwise " +
        "nobody can read the snapshots if the key is lost.",
      SAVE_SHEET,
      ADD_PASSPHRASE,
    );
    if (answer === undefined) return;
    // The commands, unlike the methods of this class, show errors to the user.
    const command = answer === SAVE_SHEET
      ? "deltar.saveRecoverySheet"
      : "deltar.addPassphrase";
    await vscode.commands.executeCommand(command, folder);
  }

  async #saveSecondKey(
    folder: ProtectedFolder,
    save: (folder: ProtectedFolder) => Promise<boolean>,
  ): Promise<void> {
    const state = await this.prepare(folder);
    if (state === "plain") return showState(folder, state);
    if (state !== "unlocked" || !await save(folder)) return;
    await this.#memory.update(unsavedKey(folder), undefined);
  }

  /**
   * Asks the user to save a second key of a repository that is not stored yet.
   *
   * @returns Whether the user has saved a second key.
   */
  async #askToSave(folder: ProtectedFolder): Promise<boolean> {
    const { config } = folder;
    const { id } = await folder.writer.call("draft", { config });
    while (!this.#saved.has(id)) {
      const answer = await showInformation(
        `Save a second key before snapshots of ${folder.name} are stored.`,
        {
          modal: true,
          detail: `The new repository ${config.repository} is encrypted. Its ` +
            "key is only on this machine. If the key is lost, nobody can " +
            "read the snapshots.\n\nSave and print a recovery sheet, or add a " +
            "passphrase that you can remember. Nothing is stored until you do.",
        },
        SAVE_SHEET,
        ADD_PASSPHRASE,
      );
      if (answer === undefined) return false;
      const save = answer === SAVE_SHEET ? saveRecoverySheet : addPassphrase;
      if (await save(folder)) this.#saved.add(id);
    }
    return true;
  }

  /** Creates the repository of a folder, unless it already exists. */
  async #create(folder: ProtectedFolder, encrypt?: boolean): Promise<void> {
    await folder.exclusive(async () => {
      if (await stateOf(folder, encrypt) !== "uncreated") return;
      const { config, keys, writer } = folder;
      const { id, identity } = await writer.call("draft", { config });
      const isSaved = this.#saved.has(id);
      if (!isSaved && !isLocal(folder)) {
        throw new EngineError({
          message:
            "the new repository was not stored, because the thread that " +
            "prepared it has ended; try again",
        });
      }
      // The key is stored before the repository, so that a crash cannot lose
      // the key. Another window that creates the same repository might already
      // have stored its own key. So a stored key is replaced only after this
      // window has created the repository.
      const isOurs = identity !== undefined;
      if (isOurs && await keys.get(config) === undefined) {
        await keys.store(config, identity);
      }
      await writer.call("create", { config, id });
      if (isOurs) await keys.store(config, identity);
      if (isSaved) return;
      await this.#memory.update(unsavedKey(folder), true);
      void this.remind(folder);
    });
  }

  #isUnsaved(folder: ProtectedFolder): boolean {
    return this.#memory.get(unsavedKey(folder), false);
  }
}

function stateOf(
  { writer, config }: ProtectedFolder,
  encrypt: boolean = config.encrypt,
): Promise<EncryptionState> {
  return writer.call("encryption", { config: { ...config, encrypt } });
}

function isLocal({ config }: ProtectedFolder): boolean {
  return isFolder(config.repository);
}

function unsavedKey({ keys, config }: ProtectedFolder): string {
  return `unsaved ${keys.nameOf(config)}`;
}

/**
 * Shows a message that says why a command has nothing to do for a repository.
 */
function showState({ name }: ProtectedFolder, state: EncryptionState): void {
  void showInformation(
    state === "plain"
      ? `The snapshots of ${name} are not encrypted. The setting ` +
        "deltar.repository.encrypt applies only to new repositories."
      : state === "unlocked"
      ? `The repository of ${name} is already open.`
      : noSnapshotsText(name),
  );
}
