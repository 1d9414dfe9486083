import * as vscode from "vscode";
import { locationSum } from "../../../../shared/location_sum.ts";
import type { FolderConfig, OwnKey } from "../../shared/protocol.ts";

/**
 * The user's keys of encrypted repositories, one for each repository, kept in
 * the system's keychain.
 */
export class KeyStore implements vscode.Disposable {
  /**
   * Fires with the name of a key after this window or another one has stored or
   * deleted the key.
   */
  readonly onDidChange: vscode.Event<string>;
  readonly #changed = new vscode.EventEmitter<string>();
  readonly #secrets: vscode.SecretStorage;
  readonly #watch: vscode.Disposable;
  /**
   * The keys that were read, as JSON, by name. `undefined` if the keychain has
   * no such key.
   */
  readonly #read = new Map<string, Promise<string | undefined>>();

  constructor(secrets: vscode.SecretStorage) {
    this.#secrets = secrets;
    this.onDidChange = this.#changed.event;
    this.#watch = secrets.onDidChange(({ key: name }) => {
      if (this.#read.has(name)) void this.#update(name, this.#fetch(name));
    });
  }

  /** Returns the name of a repository's key in the keychain. */
  nameOf({ repository, env = {} }: FolderConfig): string {
    return `deltar.key ${locationSum(repository, env)}`;
  }

  /** Returns the key of a repository, or `undefined` if there is none. */
  async get(config: FolderConfig): Promise<OwnKey | undefined> {
    const name = this.nameOf(config);
    const known = this.#read.get(name);
    const text = known ?? this.#fetch(name);
    if (known === undefined) this.#read.set(name, text);
    const stored = await text;
    return stored === undefined ? undefined : JSON.parse(stored);
  }

  /** Stores the key of a repository. */
  async store(config: FolderConfig, key: OwnKey): Promise<void> {
    const name = this.nameOf(config);
    const text = JSON.stringify(key);
    await this.#secrets.store(name, text);
    await this.#update(name, Promise.resolve(text));
  }

  /** Deletes the key of a repository. */
  async forget(config: FolderConfig): Promise<void> {
    const name = this.nameOf(config);
    await this.#secrets.delete(name);
    await this.#update(name, Promise.resolve(undefined));
  }

  dispose(): void {
    this.#watch.dispose();
    this.#changed.dispose();
  }

  async #update(
    name: string,
    text: Promise<string | undefined>,
  ): Promise<void> {
    const known = this.#read.get(name);
    this.#read.set(name, text);
    if (await known !== await text) this.#changed.fire(name);
  }

  async #fetch(name: string): Promise<string | undefined> {
    try {
      return await this.#secrets.get(name);
    } catch {
      // Without a keychain there are no keys. Opening a repository that needs a
      // key then fails with an error about the missing key.
      return undefined;
    }
  }
}
