import * as vscode from "vscode";
import type { FileVersion } from "../../shared/protocol.ts";
import type { ProtectedFolder } from "../folders/protected_folder.ts";
import type { ProtectedFolders } from "../folders/protected_folders.ts";
import { pathIn } from "../folders/version_uri.ts";
import { explain } from "../ui/explain.ts";
import {
  detailLines,
  formatDifference,
  formatMoment,
  formatSize,
} from "../ui/text.ts";

/** A version of the file that the view shows. */
export interface VersionNode {
  folder: ProtectedFolder;
  /** The path of the file for which the versions are listed. */
  path: string;
  /** The version. A renamed file has versions with other paths. */
  version: FileVersion;
  /** The previous version. */
  before: FileVersion | undefined;
}

/**
 * The time to wait after the last change in the editors before the versions are
 * read, in milliseconds.
 */
const QUIET_MS = 250;

/**
 * The list of the versions of the file in the active editor, or of the file
 * that the user chose.
 */
export class HistoryView implements vscode.TreeDataProvider<VersionNode> {
  readonly onDidChangeTreeData: vscode.Event<void>;
  readonly #changed = new vscode.EventEmitter<void>();
  readonly #folders: ProtectedFolders;
  #view: vscode.TreeView<VersionNode> | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #reading: AbortController | undefined;
  /** The text that identifies the current list. */
  #shown: string | undefined;
  /** The file that `show` was called for, until a tab changes. */
  #pinned: vscode.Uri | undefined;

  constructor(folders: ProtectedFolders) {
    this.#folders = folders;
    this.onDidChangeTreeData = this.#changed.event;
  }

  /** Shows the list in a view, and follows the active editor. */
  attach(id: string): vscode.Disposable {
    const view = this.#view = vscode.window.createTreeView(id, {
      treeDataProvider: this,
    });
    const soon = () => {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => {
        // Many events, such as unsaved changes, do not change the list.
        if (this.#key() !== this.#shown) this.#changed.fire();
      }, QUIET_MS);
    };
    return vscode.Disposable.from(
      view,
      vscode.window.tabGroups.onDidChangeTabs(() => {
        this.#pinned = undefined;
        soon();
      }),
      vscode.window.onDidChangeActiveTextEditor(soon),
      this.#folders.onDidChange(soon),
      new vscode.Disposable(() => clearTimeout(this.#timer)),
    );
  }

  /** Shows the versions of a file, which need not be open in an editor. */
  async show(uri: vscode.Uri): Promise<void> {
    await vscode.commands.executeCommand("deltar.fileHistory.focus");
    this.#pinned = uri;
    this.#changed.fire();
  }

  async getChildren(node?: VersionNode): Promise<VersionNode[]> {
    if (node !== undefined) return [];
    this.#reading?.abort();
    const reading = this.#reading = new AbortController();
    const file = this.#file();
    this.#shown = this.#key();
    void vscode.commands.executeCommand(
      "setContext",
      "deltar.hasHistory",
      file !== undefined,
    );
    if (this.#view !== undefined) {
      this.#view.description = file?.path.split("/").at(-1);
      this.#view.message = undefined;
    }
    if (file === undefined) return [];
    const { folder, path } = file;
    try {
      const versions = await folder.reader.call(
        "history",
        { config: folder.config, path },
        { signal: reading.signal },
      );
      return versions.map((version, at) => ({
        folder,
        path,
        version,
        before: versions[at + 1],
      }));
    } catch (error) {
      if (this.#view !== undefined && !reading.signal.aborted) {
        this.#view.message = explain(error);
      }
      return [];
    }
  }

  getTreeItem(node: VersionNode): vscode.TreeItem {
    const { folder, version, before } = node;
    const { id, time, label, size, path, from } = version;
    const item = new vscode.TreeItem(formatMoment(time, Date.now()));
    item.id = `${folder.uri} ${id} ${path}`;
    const change = size === undefined
      ? "deleted"
      : before?.size === undefined
      ? `created, ${formatSize({ ...version, size })}`
      : version.special !== undefined || before.special !== undefined
      ? formatSize({ ...version, size })
      : formatDifference(size - before.size);
    const renamed = from === undefined ? undefined : `from ${from}`;
    item.description = [label, renamed, change]
      .filter((part) => part !== undefined).join(" \u00b7 ");
    item.iconPath = new vscode.ThemeIcon(
      size === undefined
        ? "diff-removed"
        : before?.size === undefined
        ? "diff-added"
        : "diff-modified",
    );
    item.contextValue = size === undefined ? "version.gone" : "version";
    item.tooltip = [
      path,
      new Date(time).toLocaleString(),
      size === undefined ? "Deleted" : formatSize({ ...version, size }),
      ...detailLines(version),
    ].join("\n");
    item.command = {
      command: "deltar.openVersionChange",
      title: "Open Changes",
      arguments: [node],
    };
    return item;
  }

  /**
   * Returns a text that identifies a list by its file and by the ids and labels
   * of the snapshots.
   */
  #key(): string {
    const file = this.#file();
    if (file === undefined) return "";
    const { folder, path } = file;
    const snapshots = folder.listed.map(({ id, label }) => [id, label]);
    return JSON.stringify([`${folder.uri}`, path, snapshots]);
  }

  #file(): { folder: ProtectedFolder; path: string } | undefined {
    const uri = this.#pinned ?? activeUri();
    if (uri === undefined) return undefined;
    const folder = this.#folders.of(uri);
    return folder && { folder, path: pathIn(folder, uri) };
  }
}

/**
 * Returns the URI of the file in the active editor, which may be a text,
 * notebook, custom or diff editor. In a diff editor, it is the file on the
 * right.
 */
export function activeUri(): vscode.Uri | undefined {
  const input = vscode.window.tabGroups.activeTabGroup.activeTab?.input;
  if (
    input instanceof vscode.TabInputText ||
    input instanceof vscode.TabInputCustom ||
    input instanceof vscode.TabInputNotebook
  ) return input.uri;
  if (
    input instanceof vscode.TabInputTextDiff ||
    input instanceof vscode.TabInputNotebookDiff
  ) return input.modified;
  return vscode.window.activeTextEditor?.document.uri;
}
