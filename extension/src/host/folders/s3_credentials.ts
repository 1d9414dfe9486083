import * as vscode from "vscode";

const SECRET = "deltar.s3";

/** The credentials of repositories on S3, kept in the system's keychain. */
export class S3Credentials implements vscode.Disposable {
  /** The promise that resolves after the first reading of the credentials. */
  readonly ready: Promise<void>;
  /** Fires when the credentials change. */
  readonly onDidChange: vscode.Event<void>;
  readonly #changed = new vscode.EventEmitter<void>();
  readonly #secrets: vscode.SecretStorage;
  readonly #watch: vscode.Disposable;
  #env: Record<string, string> = {};

  constructor(secrets: vscode.SecretStorage) {
    this.#secrets = secrets;
    this.onDidChange = this.#changed.event;
    this.ready = this.#read();
    this.#watch = secrets.onDidChange(({ key }) => {
      if (key === SECRET) void this.#read();
    });
  }

  /** The credentials as environment variables. Empty if there are none. */
  get env(): Readonly<Record<string, string>> {
    return this.#env;
  }

  /**
   * Asks the user for the credentials, and stores them in the keychain. Stores
   * nothing if the user cancels.
   */
  async ask(): Promise<void> {
    const id = await vscode.window.showInputBox({
      title: "S3 Credentials",
      prompt: "Access key ID",
      ignoreFocusOut: true,
    });
    if (!id) return;
    const secret = await vscode.window.showInputBox({
      title: "S3 Credentials",
      prompt: "Secret access key",
      password: true,
      ignoreFocusOut: true,
    });
    if (!secret) return;
    const credentials = {
      AWS_ACCESS_KEY_ID: id.trim(),
      AWS_SECRET_ACCESS_KEY: secret.trim(),
    };
    await this.#secrets.store(SECRET, JSON.stringify(credentials));
    await this.#read();
  }

  /** Deletes the credentials from the keychain. */
  async forget(): Promise<void> {
    await this.#secrets.delete(SECRET);
    await this.#read();
  }

  dispose(): void {
    this.#watch.dispose();
    this.#changed.dispose();
  }

  async #read(): Promise<void> {
    let env: Record<string, string> = {};
    try {
      env = JSON.parse(await this.#secrets.get(SECRET) ?? "{}");
    } catch {
      // Without a keychain there are no credentials. Opening a storage that
      // needs credentials then fails with an error about the missing
      // credentials.
    }
    if (JSON.stringify(env) === JSON.stringify(this.#env)) return;
    this.#env = env;
    this.#changed.fire();
  }
}
