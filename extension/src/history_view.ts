import * as vscode from "vscode";
import { explain } from "./explain.ts";
import type { Guard } from "./guard.ts";
import type { Guards } from "./guards.ts";
import type { FileVersion } from "./protocol.ts";
import { formatBytes, formatDifference, formatMoment } from "./text.ts";
import { pathIn } from "./versions.ts";

/** A version of the file in the active editor. */
export interface VersionNode {
  guard: Guard;
  path: string;
  version: FileVersion;
  /** The version before it. */
  before: FileVersion | undefined;
}

/** While the editor changes faster than this, nothing is read. */
const CALM = 250;

/** Every version of the file in the active editor. */
export class HistoryView implements vscode.TreeDataProvider<VersionNode> {
  readonly onDidChangeTreeData: vscode.Event<void>;
  readonly #changed = new vscode.EventEmitter<void>();
  readonly #guards: Guards;
  #view: vscode.TreeView<VersionNode> | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #reading: AbortController | undefined;
  /** The key of the list that is shown. */
  #shown: string | undefined;
  /** A file that was asked for, until another editor is opened. */
  #pinned: vscode.Uri | undefined;

  constructor(guards: Guards) {
    this.#guards = guards;
    this.onDidChangeTreeData = this.#changed.event;
  }

  /** Shows itself in a view, and follows the editor. */
  attach(id: string): vscode.Disposable {
    const view = this.#view = vscode.window.createTreeView(id, {
      treeDataProvider: this,
    });
    const soon = () => {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => {
        // An editor that got unsaved changes, for example, is no news.
        if (this.#key() !== this.#shown) this.#changed.fire();
      }, CALM);
    };
    return vscode.Disposable.from(
      view,
      vscode.window.tabGroups.onDidChangeTabs(() => {
        this.#pinned = undefined;
        soon();
      }),
      vscode.window.onDidChangeActiveTextEditor(soon),
      this.#guards.onDidChange(soon),
      new vscode.Disposable(() => clearTimeout(this.#timer)),
    );
  }

  /** Shows the versions of a file, whatever editor is open. */
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
    const { guard, path } = file;
    try {
      const versions = await guard.reader.call(
        "history",
        { place: guard.place, path },
        { signal: reading.signal },
      );
      return versions.map((version, at) => ({
        guard,
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

  getTreeItem({ guard, path, version, before }: VersionNode): vscode.TreeItem {
    const { id, time, label, size } = version;
    const item = new vscode.TreeItem(formatMoment(time, Date.now()));
    item.id = `${guard.folder.uri} ${id} ${path}`;
    const change = size === undefined
      ? "deleted"
      : before?.size === undefined
      ? `created, ${formatBytes(size)}`
      : formatDifference(size - before.size);
    item.description = [label, change]
      .filter((part) => part !== undefined).join(" \u00b7 ");
    item.iconPath = new vscode.ThemeIcon(
      size === undefined
        ? "diff-removed"
        : before?.size === undefined
        ? "diff-added"
        : "diff-modified",
    );
    item.contextValue = size === undefined ? "version.gone" : "version";
    item.tooltip = `${path}\n${new Date(time).toLocaleString()}` +
      (size === undefined ? "\nDeleted" : `\n${formatBytes(size)}`);
    item.command = {
      command: "deltar.openVersionChange",
      title: "Open Changes",
      arguments: [{ guard, path, version, before }],
    };
    return item;
  }

  /** Returns the key of a list: the file, and the last snapshot. */
  #key(): string {
    const file = this.#file();
    if (file === undefined) return "";
    const { guard, path } = file;
    return `${guard.last?.id} ${guard.folder.uri} ${path}`;
  }

  #file(): { guard: Guard; path: string } | undefined {
    const uri = this.#pinned ?? activeUri();
    if (uri === undefined) return undefined;
    const guard = this.#guards.of(uri);
    return guard && { guard, path: pathIn(guard, uri) };
  }
}

/** The file in the active editor, of whatever kind that is. */
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
