import * as vscode from "vscode";
import { ChangeSummaries } from "./change_summaries.ts";
import {
  type FolderParts,
  ProtectedFolder,
  type Protection,
} from "./protected_folder.ts";
import { folderKey, SCHEME } from "./version_uri.ts";

/** The list of the workspace folders that can be protected. */
export class ProtectedFolders implements vscode.Disposable {
  /** Fires when a folder or the list of folders changes. */
  readonly onDidChange: vscode.Event<void>;
  /** The summaries of the changes between snapshots. */
  readonly summaries: ChangeSummaries = new ChangeSummaries();
  readonly #changed = new vscode.EventEmitter<void>();
  readonly #folders = new Map<string, ProtectedFolder>();
  readonly #parts: Omit<FolderParts, "summaries">;
  readonly #watches: vscode.Disposable[];

  constructor(parts: Omit<FolderParts, "summaries">) {
    this.#parts = parts;
    this.onDidChange = this.#changed.event;
    this.#watches = [
      vscode.workspace.onDidChangeWorkspaceFolders(() => {
        this.#update();
        this.#changed.fire();
      }),
      vscode.workspace.onDidChangeConfiguration((event) => {
        for (const folder of this.all) {
          if (event.affectsConfiguration("deltar.repository", folder.uri)) {
            void folder.move();
          }
        }
      }),
      parts.credentials.onDidChange(() => {
        for (const folder of this.all) void folder.move();
      }),
      parts.keys.onDidChange((name) => {
        for (const folder of this.all) {
          if (parts.keys.nameOf(folder.config) === name) void folder.move();
        }
      }),
    ];
    this.#update();
  }

  /** All folders, in the order of the workspace. */
  get all(): readonly ProtectedFolder[] {
    return [...this.#folders.values()];
  }

  /** The folders that cannot be protected, because they are not on a disk. */
  get virtualFolders(): readonly vscode.WorkspaceFolder[] {
    return (vscode.workspace.workspaceFolders ?? [])
      .filter(({ uri }) => uri.scheme !== "file");
  }

  /** Returns the virtual folder that contains a file, if there is one. */
  virtualFolderOf(uri: vscode.Uri): vscode.WorkspaceFolder | undefined {
    const folder = vscode.workspace.getWorkspaceFolder(uri);
    return this.virtualFolders.find((one) => one === folder);
  }

  /**
   * Returns the folder that a file or a version of a file belongs to, or
   * `undefined` if the file is not in a folder that can be protected.
   */
  of(uri: vscode.Uri): ProtectedFolder | undefined {
    if (uri.scheme === SCHEME) return this.byKey(uri.authority);
    const folder = vscode.workspace.getWorkspaceFolder(uri);
    return folder && this.#folders.get(folder.uri.toString());
  }

  /** Returns the folder with the given `folderKey`. */
  byKey(key: string): ProtectedFolder | undefined {
    return this.all.find(({ uri }) => folderKey(uri) === key);
  }

  /**
   * The protection of the workspace: the protection of its folders, if all have
   * the same protection. `partial` if their protection differs, if a folder is
   * virtual, or if the workspace has no folders.
   */
  get protection(): Protection {
    const all = new Set(this.all.map(({ protection }) => protection));
    const [first = "partial"] = all;
    return all.size > 1 || this.virtualFolders.length > 0 ? "partial" : first;
  }

  /** Reads the lists of snapshots of all folders again. */
  async refresh(): Promise<void> {
    await Promise.all(this.all.map((folder) => folder.refresh()));
  }

  dispose(): void {
    for (const watch of this.#watches) watch.dispose();
    this.#changed.dispose();
    this.summaries.dispose();
    for (const folder of this.all) folder.dispose();
  }

  #update(): void {
    const folders = (vscode.workspace.workspaceFolders ?? [])
      .filter(({ uri }) => uri.scheme === "file");
    const wanted = new Map(folders.map((one) => [one.uri.toString(), one]));
    for (const [key, folder] of this.#folders) {
      if (wanted.has(key)) continue;
      folder.dispose();
      this.#folders.delete(key);
    }
    const ordered = [...wanted].map(
      ([key, folder]): [string, ProtectedFolder] => {
        const known = this.#folders.get(key);
        if (known !== undefined) return [key, known];
        const added = new ProtectedFolder(folder, {
          ...this.#parts,
          summaries: this.summaries,
        });
        added.onDidChange(() => this.#changed.fire());
        return [key, added];
      },
    );
    this.#folders.clear();
    for (const [key, folder] of ordered) this.#folders.set(key, folder);
  }
}
