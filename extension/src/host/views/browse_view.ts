import * as vscode from "vscode";
import type { FolderChild, SnapshotInfo } from "../../shared/protocol.ts";
import type { ProtectedFolder } from "../folders/protected_folder.ts";
import { versionUri } from "../folders/version_uri.ts";
import { explain } from "../ui/explain.ts";
import { breakable } from "../ui/plain.ts";
import { detailLines, formatMoment, formatSize } from "../ui/text.ts";

/** A file or folder in the snapshot that the view shows. */
export interface BrowseNode {
  folder: ProtectedFolder;
  info: SnapshotInfo;
  /** The path below the workspace folder. */
  path: string;
  child: FolderChild;
}

/**
 * The tree of all files of a snapshot. Each folder is read when it is expanded.
 */
export class BrowseView implements vscode.TreeDataProvider<BrowseNode> {
  readonly onDidChangeTreeData: vscode.Event<void>;
  readonly #changed = new vscode.EventEmitter<void>();
  #view: vscode.TreeView<BrowseNode> | undefined;
  /** The snapshot that is shown. */
  #shown: Pick<BrowseNode, "folder" | "info"> | undefined;

  constructor() {
    this.onDidChangeTreeData = this.#changed.event;
  }

  /** Shows the tree in the view with the given id. */
  attach(id: string): vscode.Disposable {
    return this.#view = vscode.window.createTreeView(id, {
      treeDataProvider: this,
      canSelectMany: true,
      showCollapseAll: true,
    });
  }

  /** Shows the files of a snapshot. */
  async show(folder: ProtectedFolder, info: SnapshotInfo): Promise<void> {
    this.#shown = { folder, info };
    await this.#setVisible(true);
    if (this.#view !== undefined) {
      this.#view.description = [
        formatMoment(info.time, Date.now()),
        info.label,
      ].filter((part) => part !== undefined).join(" \u00b7 ");
      this.#view.message = undefined;
    }
    this.#changed.fire();
    await vscode.commands.executeCommand("deltar.browse.focus");
  }

  /** Hides the view. */
  async close(): Promise<void> {
    this.#shown = undefined;
    await this.#setVisible(false);
    this.#changed.fire();
  }

  async getChildren(node?: BrowseNode): Promise<BrowseNode[]> {
    const shown = node ?? this.#shown;
    if (shown === undefined) return [];
    const { folder, info } = shown;
    const path = node?.path ?? "";
    try {
      const children = await folder.reader.call("children", {
        config: folder.config,
        id: info.id,
        path,
      });
      return [
        ...children.filter(({ kind }) => kind === "directory"),
        ...children.filter(({ kind }) => kind !== "directory"),
      ].map((child) => ({
        folder,
        info,
        path: path === "" ? child.name : `${path}/${child.name}`,
        child,
      }));
    } catch (error) {
      if (this.#view !== undefined) {
        this.#view.message = breakable(explain(error));
      }
      return [];
    }
  }

  getTreeItem({ folder, info, path, child }: BrowseNode): vscode.TreeItem {
    const isFolder = child.kind === "directory";
    const { Collapsed, None } = vscode.TreeItemCollapsibleState;
    const item = new vscode.TreeItem(child.name, isFolder ? Collapsed : None);
    item.id = `${folder.uri} ${info.id} ${path}`;
    item.resourceUri = versionUri(folder, info.id, path);
    item.iconPath = isFolder ? vscode.ThemeIcon.Folder : vscode.ThemeIcon.File;
    item.contextValue = isFolder ? "folder" : "file";
    item.tooltip = path;
    if (isFolder) return item;
    item.description = formatSize(child);
    item.tooltip = [path, formatSize(child), ...detailLines(child)].join("\n");
    item.command = {
      command: "deltar.openBrowsed",
      title: "Open File from Snapshot",
      arguments: [{ folder, info, path, child }],
    };
    return item;
  }

  #setVisible(isVisible: boolean): Thenable<unknown> {
    return vscode.commands.executeCommand(
      "setContext",
      "deltar.isBrowsing",
      isVisible,
    );
  }
}
