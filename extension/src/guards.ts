import * as vscode from "vscode";
import { Guard, type GuardParts, type Protection } from "./guard.ts";
import { repositoryKey, SCHEME } from "./versions.ts";

/** All folders of the workspace that can be protected. */
export class Guards implements vscode.Disposable {
  /** Fires when any of them is another, or their list is. */
  readonly onDidChange: vscode.Event<void>;
  readonly #changed = new vscode.EventEmitter<void>();
  readonly #guards = new Map<string, Guard>();
  readonly #parts: GuardParts;
  readonly #watches: vscode.Disposable[];

  constructor(parts: GuardParts) {
    this.#parts = parts;
    this.onDidChange = this.#changed.event;
    this.#watches = [
      vscode.workspace.onDidChangeWorkspaceFolders(() => {
        this.#update();
        this.#changed.fire();
      }),
      vscode.workspace.onDidChangeConfiguration((event) => {
        for (const guard of this.all) {
          const { uri } = guard.folder;
          if (event.affectsConfiguration("deltar.repository", uri)) {
            void guard.move();
          }
        }
      }),
      parts.keys.onDidChange(() => {
        for (const guard of this.all) void guard.move();
      }),
    ];
    this.#update();
  }

  /** Them, in the order of the workspace. */
  get all(): readonly Guard[] {
    return [...this.#guards.values()];
  }

  /** Folders that nothing protects: they are on no disk of this machine. */
  get strangers(): readonly vscode.WorkspaceFolder[] {
    return (vscode.workspace.workspaceFolders ?? [])
      .filter(({ uri }) => uri.scheme !== "file");
  }

  /**
   * The guard of the folder that holds a file, or that it is a version from.
   */
  of(uri: vscode.Uri): Guard | undefined {
    if (uri.scheme === SCHEME) return this.byKey(uri.authority);
    const folder = vscode.workspace.getWorkspaceFolder(uri);
    return folder && this.#guards.get(folder.uri.toString());
  }

  /** The guard that versions with this key belong to. */
  byKey(key: string): Guard | undefined {
    return this.all.find(({ folder }) => repositoryKey(folder) === key);
  }

  /** The protection of the workspace: that of its weakest folder. */
  get protection(): Protection {
    if (!vscode.workspace.isTrusted) return "off";
    const all = this.all.map(({ protection }) => protection);
    if (all.length === 0 || all.every((one) => one === "off")) return "off";
    return all.some((one) => one !== "protected") || this.strangers.length > 0
      ? "partial"
      : "protected";
  }

  /** Asks again for the snapshots of all. */
  refresh(): void {
    for (const guard of this.all) guard.refresh();
  }

  dispose(): void {
    for (const watch of this.#watches) watch.dispose();
    this.#changed.dispose();
    for (const guard of this.all) guard.dispose();
  }

  #update(): void {
    const folders = (vscode.workspace.workspaceFolders ?? [])
      .filter(({ uri }) => uri.scheme === "file");
    const wanted = new Map(folders.map((one) => [one.uri.toString(), one]));
    for (const [key, guard] of this.#guards) {
      if (wanted.has(key)) continue;
      guard.dispose();
      this.#guards.delete(key);
    }
    const ordered = [...wanted].map(([key, folder]): [string, Guard] => {
      const known = this.#guards.get(key);
      if (known !== undefined) return [key, known];
      const guard = new Guard(folder, this.#parts);
      guard.onDidChange(() => this.#changed.fire());
      return [key, guard];
    });
    this.#guards.clear();
    for (const [key, guard] of ordered) this.#guards.set(key, guard);
  }
}
