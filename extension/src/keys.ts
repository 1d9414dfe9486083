import * as vscode from "vscode";

const SECRET = "deltar.s3";

/** The keys of S3, kept by the system's keychain. */
export class Keys implements vscode.Disposable {
  /** Settles once the keys have been read. */
  readonly ready: Promise<void>;
  /** Fires when they are others. */
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

  /** The keys, by the names that a storage asks for. */
  get env(): Readonly<Record<string, string>> {
    return this.#env;
  }

  /** Asks the user for the keys. */
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
    const keys = {
      AWS_ACCESS_KEY_ID: id.trim(),
      AWS_SECRET_ACCESS_KEY: secret.trim(),
    };
    await this.#secrets.store(SECRET, JSON.stringify(keys));
    await this.#read();
  }

  /** Forgets them. */
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
      // No keychain is as good as no keys; a storage that needs them says so.
    }
    if (JSON.stringify(env) === JSON.stringify(this.#env)) return;
    this.#env = env;
    this.#changed.fire();
  }
}
