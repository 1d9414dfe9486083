import * as vscode from "vscode";
import { formatBytes, plural } from "../../../../shared/text.ts";
import type { FileChange, SnapshotInfo } from "../../shared/protocol.ts";
import type { ProtectedFolder } from "../folders/protected_folder.ts";
import type { ProtectedFolders } from "../folders/protected_folders.ts";
import { explain } from "../ui/explain.ts";
import { changedFiles, changesByKind } from "../ui/snapshot_text.ts";
import {
  detailLines,
  fieldLines,
  formatDay,
  formatMoment,
  formatSize,
  formatTime,
} from "../ui/text.ts";
import { changeUri, nameOfChange } from "./change_decorations.ts";
import { groupByTurn, turnItem, type TurnNode } from "./turn_rows.ts";
import { visibleRowUri } from "./visible_rows.ts";

/** The maximum number of changed files for which folders start expanded. */
const MAX_OPEN_FILES = 20;

/** The snapshots of one day. */
interface DayNode {
  kind: "day";
  title: string;
  rows: (SnapshotNode | TurnNode<SnapshotNode>)[];
}

/** A snapshot of a folder. */
export interface SnapshotNode {
  kind: "snapshot";
  folder: ProtectedFolder;
  info: SnapshotInfo;
}

/** A folder with changes in it. */
export interface FolderNode {
  kind: "folder";
  folder: ProtectedFolder;
  info: SnapshotInfo;
  /** The path of the folder. */
  path: string;
  /**
   * The displayed text. If all changes in a folder are in a single subfolder,
   * one row shows the names of both folders, such as `src/lib`.
   */
  title: string;
  changes: FileChange[];
  /** Whether the folder starts expanded. */
  isOpen: boolean;
}

/** A file that changed. */
export interface ChangeNode {
  kind: "change";
  folder: ProtectedFolder;
  info: SnapshotInfo;
  change: FileChange;
}

/** A row that is neither a snapshot nor a change, and shows only a text. */
interface NoteNode {
  kind: "note";
  title: string;
  /** Whether the text is about a fault. */
  isFault?: boolean;
}

/** A row of the view. */
export type Node =
  | DayNode
  | TurnNode<SnapshotNode>
  | SnapshotNode
  | FolderNode
  | ChangeNode
  | NoteNode;

/**
 * The list of snapshots by day and by turn of an agent, each with the files
 * that changed since the previous snapshot.
 */
export class SnapshotsView implements vscode.TreeDataProvider<Node> {
  readonly onDidChangeTreeData: vscode.Event<Node | void>;
  readonly #changed = new vscode.EventEmitter<Node | void>();
  readonly #folders: ProtectedFolders;
  /** The rows of the snapshots, by the ids of the rows. */
  #rows: ReadonlyMap<string, SnapshotNode> = new Map();
  #view: vscode.TreeView<Node> | undefined;

  constructor(folders: ProtectedFolders) {
    this.#folders = folders;
    this.onDidChangeTreeData = this.#changed.event;
    folders.onDidChange(() => this.#changed.fire());
    folders.summaries.onDidChange(({ folder, after, within }) => {
      const row = this.#rows.get(rowId(folder, after));
      if (row !== undefined && within === "") this.#changed.fire(row);
    });
  }

  /** Shows the list in the view with the given id. */
  attach(id: string): vscode.Disposable {
    return this.#view = vscode.window.createTreeView(id, {
      treeDataProvider: this,
      canSelectMany: true,
      showCollapseAll: true,
    });
  }

  async getChildren(node?: Node): Promise<Node[]> {
    if (node === undefined) return await this.#dayNodes();
    switch (node.kind) {
      case "day":
        return node.rows;
      case "turn":
        return node.snapshots;
      case "snapshot":
        return await changesOf(node);
      case "folder":
        return childrenOfFolder(node);
      default:
        return [];
    }
  }

  getTreeItem(node: Node): vscode.TreeItem {
    switch (node.kind) {
      case "day": {
        const { Expanded } = vscode.TreeItemCollapsibleState;
        const item = new vscode.TreeItem(node.title, Expanded);
        item.id = node.title;
        item.contextValue = "day";
        return item;
      }
      case "turn":
        return turnItem(node, this.#nameOf(node));
      case "snapshot":
        return this.#snapshotItem(node);
      case "folder":
        return folderItem(node);
      case "change":
        return changeItem(node);
      case "note":
        return noteItem(node);
    }
  }

  async #dayNodes(): Promise<Node[]> {
    const failures: string[] = [];
    const lists = await Promise.all(
      this.#folders.all.map(async (folder): Promise<SnapshotNode[]> => {
        try {
          const list = await folder.snapshots();
          return [...list, ...folder.safetySnapshots].map((info) => ({
            kind: "snapshot",
            folder,
            info,
          }));
        } catch (error) {
          failures.push(`${folder.name}: ${explain(error)}`);
          return [];
        }
      }),
    );
    const snapshots = lists.flat().sort((a, b) => b.info.time - a.info.time);
    this.#rows = new Map(
      snapshots.map((row) => [rowId(row.folder, row.info.id), row]),
    );
    const days = new Map<string, DayNode>();
    const now = Date.now();
    for (const row of groupByTurn(snapshots)) {
      const newest = row.kind === "turn" ? row.snapshots[0] : row;
      const title = formatDay(newest.info.time, now);
      const day = days.get(title) ?? { kind: "day", title, rows: [] };
      day.rows.push(row);
      days.set(title, day);
    }
    // The failures are shown above the list, because VS Code would cut them off
    // in a row of the list.
    if (this.#view !== undefined) this.#view.message = failures.join("\n");
    return [...days.values()];
  }

  /** Returns the name of a row's folder in a workspace with several folders. */
  #nameOf({ folder }: { folder: ProtectedFolder }): string | undefined {
    return this.#folders.all.length > 1 ? folder.name : undefined;
  }

  #snapshotItem({ folder, info }: SnapshotNode): vscode.TreeItem {
    const { counts, time, id, isSafety } = info;
    const label = labelOf(info);
    const name = this.#nameOf({ folder });
    const item = new vscode.TreeItem(
      formatTime(time),
      vscode.TreeItemCollapsibleState.Collapsed,
    );
    item.id = rowId(folder, id);
    const summary = isSafety ? undefined : folder.summaryOf(info);
    if (!isSafety && info.before !== undefined) {
      item.resourceUri = visibleRowUri(folder.comparisonOf(info));
    }
    item.description = [name, label, changedFiles(info, summary)]
      .filter((part) => part !== undefined).join(" \u00b7 ");
    item.iconPath = new vscode.ThemeIcon(
      counts.faults > 0
        ? "warning"
        : isSafety
        ? "shield"
        : label === undefined
        ? "history"
        : "tag",
    );
    item.contextValue = isSafety ? "safety" : "snapshot";
    const lines = [
      `**${label === undefined ? "Snapshot" : escapeMarkdown(label)}**`,
      ...(isSafety
        ? ["Safety snapshot: the files that were about to change"]
        : []),
      new Date(time).toLocaleString(),
      `${plural(counts.files, "file")}, ${formatBytes(counts.bytes)}; ` +
      `${formatBytes(counts.stored)} stored`,
      ...(info.since === undefined
        ? changesByKind(info)
        : [`Changes since ${new Date(info.since).toLocaleString()}`]),
      ...(counts.faults > 0
        ? [`${plural(counts.faults, "path")} skipped`]
        : []),
    ];
    item.tooltip = new vscode.MarkdownString(lines.join("\n\n"));
    item.accessibilityInformation = {
      label: `Snapshot of ${formatTime(time)}, ${item.description}`,
    };
    return item;
  }
}

/** Returns the id of the row of a snapshot. */
function rowId({ uri }: { uri: vscode.Uri }, id: string): string {
  return `${uri} ${id}`;
}

/**
 * Returns the label of a snapshot. The label of a safety snapshot contains the
 * id of another snapshot, which is replaced by the time of that snapshot.
 */
function labelOf({ label, isSafety }: SnapshotInfo): string | undefined {
  if (!isSafety) return label;
  return label?.replace(
    /(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z-[0-9a-f]{6}(?:-safety)?/,
    (_, year, month, day, hour, minute, second) =>
      formatMoment(
        Date.UTC(year, month - 1, day, hour, minute, second),
        Date.now(),
      ),
  );
}

/**
 * Returns the rows of the changes in a snapshot.
 *
 * @param within The path of a folder, if only the changes in it are shown.
 */
export async function changesOf(
  { folder, info }: Pick<SnapshotNode, "folder" | "info">,
  within = "",
): Promise<Node[]> {
  try {
    const before = info.isSafety ? undefined : await folder.before(info);
    const changes = await folder.reader.call("compare", {
      config: folder.config,
      before,
      after: info.id,
      within,
    });
    // A safety snapshot is only a set of files, so they are shown as updated.
    if (info.isSafety) { for (const one of changes) one.change = "updated"; }
    const shown = changes.filter(({ change }) => change !== "touched");
    folder.summaries.add({ folder, before, after: info.id, within }, shown);
    const nodes = childrenOf(
      { folder, info, isOpen: shown.length <= MAX_OPEN_FILES },
      shown.length > 0 ? shown : changes,
      "",
    );
    return nodes.length > 0 ? nodes : [{ kind: "note", title: "No changes" }];
  } catch (error) {
    return [{ kind: "note", title: explain(error), isFault: true }];
  }
}

/** Returns the rows in a folder. */
export function childrenOfFolder(node: FolderNode): Node[] {
  return childrenOf(node, node.changes, `${node.path}/`);
}

/** Returns the rows below the path `prefix`, folders before files. */
function childrenOf(
  { folder, info, isOpen }: Pick<FolderNode, "folder" | "info" | "isOpen">,
  changes: FileChange[],
  prefix: string,
): Node[] {
  const folders = new Map<string, FileChange[]>();
  const files: Node[] = [];
  for (const change of changes) {
    const rest = change.path.slice(prefix.length);
    const slash = rest.indexOf("/");
    if (slash < 0) {
      files.push({ kind: "change", folder, info, change });
      continue;
    }
    const name = rest.slice(0, slash);
    const list = folders.get(name);
    if (list === undefined) folders.set(name, [change]);
    else list.push(change);
  }
  return [
    ...[...folders].map(([name, changes]): FolderNode => {
      const title = compact(changes, prefix.length, name);
      return {
        kind: "folder",
        folder,
        info,
        path: prefix + title,
        title,
        changes,
        isOpen,
      };
    }),
    ...files,
  ];
}

/**
 * Returns a folder's name, joined with the names of the folders below it, down
 * to the deepest folder that contains all changes.
 */
function compact(changes: FileChange[], start: number, name: string): string {
  const [{ path }] = changes;
  for (let title = name;;) {
    const slash = path.indexOf("/", start + title.length + 1);
    if (slash < 0) return title;
    const next = path.slice(start, slash);
    const prefix = path.slice(0, slash + 1);
    if (!changes.every((change) => change.path.startsWith(prefix))) {
      return title;
    }
    title = next;
  }
}

/** Returns the tree item for a folder with changes. */
export function folderItem(
  { folder, info, path, title, isOpen }: FolderNode,
): vscode.TreeItem {
  const { Collapsed, Expanded } = vscode.TreeItemCollapsibleState;
  const item = new vscode.TreeItem(title, isOpen ? Expanded : Collapsed);
  item.id = `${folder.uri} ${info.id} ${path}/`;
  item.iconPath = vscode.ThemeIcon.Folder;
  item.contextValue = "folder";
  return item;
}

/** Returns the tree item for a changed file. */
export function changeItem(node: ChangeNode): vscode.TreeItem {
  const { folder, info, change } = node;
  const item = new vscode.TreeItem(changeUri(change));
  item.id = `${folder.uri} ${info.id} ${change.path}`;
  item.iconPath = vscode.ThemeIcon.File;
  item.contextValue = `change.${change.change}`;
  item.description = change.from === undefined
    ? formatSize(change)
    : `from ${change.from}`;
  item.tooltip = [
    change.path,
    `${nameOfChange(change.change)}, ${formatSize(change)}`,
    ...fieldLines(change.fields),
    ...detailLines(change),
  ].join("\n");
  item.command = {
    command: "deltar.openChange",
    title: "Open Changes",
    arguments: [node],
  };
  return item;
}

/** Returns the tree item for a row that shows only a text. */
export function noteItem({ title, isFault }: NoteNode): vscode.TreeItem {
  const item = new vscode.TreeItem(title);
  item.tooltip = title;
  if (isFault) item.iconPath = new vscode.ThemeIcon("warning");
  return item;
}

function escapeMarkdown(text: string): string {
  return text.replaceAll(/[\\`*_{}[\]()#+\-.!<>|]/g, "\\$&");
}
