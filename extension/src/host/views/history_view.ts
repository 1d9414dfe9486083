import * as vscode from "vscode";
import type {
  FileVersion,
  SnapshotInfo,
  TurnInfo,
} from "../../shared/protocol.ts";
import type { ProtectedFolder } from "../folders/protected_folder.ts";
import type { ProtectedFolders } from "../folders/protected_folders.ts";
import { pathIn } from "../folders/version_uri.ts";
import { explain } from "../ui/explain.ts";
import { breakable, oneLine } from "../ui/plain.ts";
import { summaryText } from "../ui/snapshot_text.ts";
import {
  detailLines,
  formatDate,
  formatDifference,
  formatMoment,
  formatSize,
} from "../ui/text.ts";
import { virtualText } from "../ui/virtual_text.ts";
import {
  type ChangeRow,
  changeRowItem,
  changesOf,
  rowsBelow,
} from "./change_rows.ts";
import { describedUri } from "./large_files.ts";
import { nameOfTurn } from "./turn_rows.ts";
import { visibleRowUri } from "./visible_rows.ts";

/** A version of the file or folder that the view shows. */
export interface VersionNode {
  kind: "version";
  folder: ProtectedFolder;
  /** The path of the file or folder that the view is about. */
  path: string;
  /** The version. A renamed file has versions with other paths. */
  version: FileVersion;
  /** The previous version. */
  before: FileVersion | undefined;
  /**
   * The snapshot of the version, if this is a version of a folder and the
   * current list of snapshots has the snapshot.
   */
  info: SnapshotInfo | undefined;
  /** The turn of an agent that made the version, if the turn is known. */
  turn: TurnInfo | undefined;
}

/** A row of the view: a version, or a change in a version of a folder. */
type Row = VersionNode | ChangeRow;

/**
 * The time from the last change of the tabs, the active editor or the snapshots
 * until the list of versions is updated, in milliseconds.
 */
const QUIET_MS = 250;

/**
 * The list of the versions of the file in the active editor, or of the file or
 * folder that the user chose.
 */
export class HistoryView implements vscode.TreeDataProvider<Row> {
  readonly onDidChangeTreeData: vscode.Event<Row | void>;
  readonly #changed = new vscode.EventEmitter<Row | void>();
  readonly #folders: ProtectedFolders;
  #view: vscode.TreeView<Row> | undefined;
  /** The rows of the versions. */
  #rows: readonly VersionNode[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #reading: AbortController | undefined;
  /** The string that identifies the current list. */
  #shown: string | undefined;
  /**
   * The file or folder that `show` was called with, until a tab is opened,
   * closed or changed.
   */
  #pinned: vscode.Uri | undefined;

  constructor(folders: ProtectedFolders) {
    this.#folders = folders;
    this.onDidChangeTreeData = this.#changed.event;
    folders.summaries.onDidChange(({ folder, after, within }) => {
      const row = this.#rows.find((one) =>
        one.folder === folder && one.version.id === after &&
        one.version.path === within
      );
      if (row?.info !== undefined) this.#changed.fire(row);
    });
  }

  /**
   * Shows the list in the view with the given id. Updates the list when another
   * editor becomes active.
   */
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

  /**
   * Shows the versions of the given file or folder instead of those of the file
   * in the active editor.
   */
  async show(uri: vscode.Uri): Promise<void> {
    await vscode.commands.executeCommand("deltar.fileHistory.focus");
    this.#pinned = uri;
    this.#changed.fire();
  }

  /** The file or folder that the view is about, if there is one. */
  get shown(): vscode.Uri | undefined {
    return this.#pinned ?? activeUri();
  }

  async getChildren(node?: Row): Promise<Row[]> {
    if (node === undefined) return await this.#versions();
    if (node.kind !== "version") return rowsBelow(node);
    const { folder, info, version } = node;
    return info ? await changesOf({ folder, info }, version.path) : [];
  }

  async #versions(): Promise<VersionNode[]> {
    this.#reading?.abort();
    const reading = this.#reading = new AbortController();
    const file = this.#file();
    this.#shown = this.#key();
    setContext("deltar.hasHistory", file !== undefined);
    if (this.#view !== undefined) {
      this.#view.description = file?.path.split("/").at(-1);
      const virtual = this.#virtualFolder();
      this.#view.message = virtual && virtualText(virtual.name);
    }
    if (file === undefined) {
      setContext("deltar.hasFileHistory", false);
      return [];
    }
    const { folder, path } = file;
    try {
      const versions = await folder.reader.call(
        "history",
        { config: folder.config, path },
        { signal: reading.signal },
      );
      if (reading.signal.aborted) return [];
      // The command that searches the versions for a text is only for files.
      const isOfFile = versions.length > 0 && !versions[0].isFolder;
      setContext("deltar.hasFileHistory", isOfFile);
      const infos = new Map(folder.listed.map((info) => [info.id, info]));
      return this.#rows = versions.map((version, at) => ({
        kind: "version",
        folder,
        path,
        version,
        before: versions[at + 1],
        info: version.isFolder ? infos.get(version.id) : undefined,
        turn: infos.get(version.id)?.madeBy,
      }));
    } catch (error) {
      if (reading.signal.aborted) return [];
      setContext("deltar.hasFileHistory", false);
      if (this.#view !== undefined) {
        this.#view.message = breakable(explain(error));
      }
      return [];
    }
  }

  getTreeItem(node: Row): vscode.TreeItem {
    if (node.kind !== "version") return changeRowItem(node);
    return node.version.isFolder ? folderVersionItem(node) : fileItem(node);
  }

  /**
   * Returns a string that identifies a list by its file or folder and by the
   * ids and labels of the snapshots.
   */
  #key(): string {
    const file = this.#file();
    if (file === undefined) return `${this.#virtualFolder()?.uri ?? ""}`;
    const { folder, path } = file;
    const snapshots = folder.listed.map(({ id, label }) => [id, label]);
    return JSON.stringify([`${folder.uri}`, path, snapshots]);
  }

  #file(): { folder: ProtectedFolder; path: string } | undefined {
    const uri = this.shown;
    if (uri === undefined) return undefined;
    const folder = this.#folders.of(uri);
    return folder && { folder, path: pathIn(folder, uri) };
  }

  /**
   * Returns the virtual folder that has the shown file or folder, if there is
   * one.
   */
  #virtualFolder(): vscode.WorkspaceFolder | undefined {
    const uri = this.shown;
    return uri && this.#folders.virtualFolderOf(uri);
  }
}

/** Sets a value that conditions in `package.json` use. */
function setContext(name: string, value: boolean): void {
  void vscode.commands.executeCommand("setContext", name, value);
}

/** Returns the tree item for a version of a file. */
function fileItem(node: VersionNode): vscode.TreeItem {
  const { folder, version, before, turn } = node;
  const { id, time, label, size, path, from } = version;
  const item = new vscode.TreeItem(formatMoment(time, Date.now()));
  item.id = `${folder.uri} ${id} ${path}`;
  const change = size === undefined
    ? "deleted"
    : before?.size === undefined
    ? `created, ${formatSize({ ...version, size })}`
    : version.special !== undefined || before.special !== undefined
    ? formatSize({ ...version, size })
    : from !== undefined && size === before.size
    ? undefined
    : formatDifference(size - before.size);
  const renamed = from === undefined ? undefined : `from ${from}`;
  const by = turn && nameOfTurn(turn);
  item.description = [by ?? label, renamed, change, by && label]
    .filter((part) => part !== undefined).join(" \u00b7 ");
  item.iconPath = new vscode.ThemeIcon(
    size === undefined
      ? "diff-removed"
      : from !== undefined
      ? "diff-renamed"
      : before?.size === undefined
      ? "diff-added"
      : "diff-modified",
  );
  item.contextValue = size === undefined ? "version.gone" : "version";
  item.tooltip = [
    path,
    formatDate(time),
    size === undefined ? "Deleted" : formatSize({ ...version, size }),
    ...turn === undefined ? [] : [`Changed in ${by}`],
    ...turn?.prompt === undefined ? [] : [oneLine(turn.prompt)],
    ...detailLines(version),
  ].join("\n");
  item.command = {
    command: "deltar.openVersionChange",
    title: "Open Changes",
    arguments: [node],
  };
  return item;
}

/** Returns the tree item for a version of a folder. */
function folderVersionItem({ folder, version, before, info }: VersionNode) {
  const { id, time, label, path, from, size } = version;
  const { Collapsed, None } = vscode.TreeItemCollapsibleState;
  const item = new vscode.TreeItem(
    formatMoment(time, Date.now()),
    info === undefined ? None : Collapsed,
  );
  item.id = `${folder.uri} ${id} ${path}`;
  const compared = info && { ...folder.comparisonOf(info), within: path };
  const summary = compared && folder.summaries.of(compared);
  if (compared !== undefined) item.resourceUri = visibleRowUri(compared);
  const isGone = size === undefined;
  const isNew = before?.size === undefined;
  item.description = [
    label,
    from === undefined ? undefined : `from ${from}`,
    isGone ? "deleted" : isNew && from === undefined ? "created" : undefined,
    summary && summaryText(summary),
  ].filter((part) => part !== undefined).join(" \u00b7 ");
  item.iconPath = new vscode.ThemeIcon(
    isGone
      ? "diff-removed"
      : from !== undefined
      ? "diff-renamed"
      : isNew
      ? "diff-added"
      : "diff-modified",
  );
  item.contextValue = isGone ? "folderVersion.gone" : "folderVersion";
  item.tooltip = [path, formatDate(time)].join("\n");
  return item;
}

/**
 * Returns the URI of the file in the active editor, which can be a text,
 * notebook, custom or diff editor. In a diff editor, this is the file on the
 * right. If the editor shows a description of a file that is too large to show,
 * returns the URI of that file.
 */
export function activeUri(): vscode.Uri | undefined {
  const input = vscode.window.tabGroups.activeTabGroup.activeTab?.input;
  if (
    input instanceof vscode.TabInputText ||
    input instanceof vscode.TabInputCustom ||
    input instanceof vscode.TabInputNotebook
  ) return describedUri(input.uri);
  if (
    input instanceof vscode.TabInputTextDiff ||
    input instanceof vscode.TabInputNotebookDiff
  ) return input.modified;
  return vscode.window.activeTextEditor?.document.uri;
}
