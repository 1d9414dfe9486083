import * as vscode from "vscode";
import { formatBytes, plural } from "../../../../shared/text.ts";
import type { SnapshotInfo } from "../../shared/protocol.ts";
import type { ProtectedFolder } from "../folders/protected_folder.ts";
import type { ProtectedFolders } from "../folders/protected_folders.ts";
import { explain } from "../ui/explain.ts";
import { breakable } from "../ui/plain.ts";
import {
  changedFiles,
  changesByKind,
  noSnapshotsText,
} from "../ui/snapshot_text.ts";
import {
  formatDate,
  formatDay,
  formatMomentInText,
  formatTime,
} from "../ui/text.ts";
import { virtualText } from "../ui/virtual_text.ts";
import {
  type ChangeRow,
  changeRowItem,
  changesOf,
  rowsBelow,
} from "./change_rows.ts";
import { groupByTurn, turnItem, type TurnNode } from "./turn_rows.ts";
import { visibleRowUri } from "./visible_rows.ts";

/**
 * The number of rows of a day that are shown at first, and that "Show More"
 * adds. VS Code creates all rows of a list without a pause, so a long list
 * would block the extension host.
 */
const PAGE_ROWS = 50;

/** The id of the command that shows more rows of a day. */
const SHOW_MORE = "deltar.showMoreSnapshots";

/**
 * The context key with the values of `contextValue` of the selected snapshots,
 * if several rows are selected. The menus use this key to find out whether the
 * clicked row is selected. The key `listMultiSelection` of VS Code is also true
 * if the clicked row is outside the selection, but a command then applies only
 * to the clicked row.
 */
const SELECTED = "deltar.selectedSnapshots";

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

/** The row that the user clicks to show more rows of a day. */
interface MoreNode {
  kind: "more";
  day: DayNode;
}

/** A row of the view. */
export type Node =
  | DayNode
  | MoreNode
  | TurnNode<SnapshotNode>
  | SnapshotNode
  | ChangeRow;

/**
 * The list of snapshots, grouped by day and by turn of an agent. The rows below
 * a snapshot show the files that changed since the previous snapshot.
 */
export class SnapshotsView implements vscode.TreeDataProvider<Node> {
  readonly onDidChangeTreeData: vscode.Event<Node | void>;
  readonly #changed = new vscode.EventEmitter<Node | void>();
  readonly #folders: ProtectedFolders;
  /** The rows of the snapshots, by the ids of the rows. */
  #rows: ReadonlyMap<string, SnapshotNode> = new Map();
  /** The number of rows that are shown for a day, by the title of the day. */
  readonly #shown = new Map<string, number>();
  #view: vscode.TreeView<Node> | undefined;
  #selection: readonly Node[] = [];

  constructor(folders: ProtectedFolders) {
    this.#folders = folders;
    this.onDidChangeTreeData = this.#changed.event;
    folders.onDidChange(() => this.#changed.fire());
    folders.summaries.onDidChange(({ folder, after, within }) => {
      const row = this.#rows.get(rowId(folder, after));
      if (row !== undefined && within === "") this.#changed.fire(row);
    });
  }

  /**
   * Shows the list in the view with the given id, until the returned object is
   * disposed.
   */
  attach(id: string): vscode.Disposable {
    this.#view = vscode.window.createTreeView(id, {
      treeDataProvider: this,
      canSelectMany: true,
      showCollapseAll: true,
    });
    return vscode.Disposable.from(
      this.#view,
      this.#view.onDidChangeSelection(({ selection }) => {
        this.#selection = selection;
        this.#tellMenus();
      }),
      vscode.commands.registerCommand(SHOW_MORE, (day: DayNode) => {
        this.#shown.set(day.title, this.#shownOf(day) + PAGE_ROWS);
        this.#changed.fire();
      }),
    );
  }

  /**
   * Tells the menus which snapshots are selected, if several rows are selected.
   */
  #tellMenus(): void {
    const snapshots = this.#selection.filter((node) =>
      node.kind === "snapshot"
    );
    // VS Code does not fire `onDidChangeSelection` when a selected row
    // vanishes.
    const isThere = ({ folder, info }: SnapshotNode) =>
      this.#rows.has(rowId(folder, info.id));
    const left = snapshots.filter(isThere);
    const isSeveral = this.#selection.length > 1 &&
      (left.length > 1 || left.length === snapshots.length);
    const selected = isSeveral ? left.map(contextValueOf) : [];
    void vscode.commands.executeCommand("setContext", SELECTED, selected);
  }

  async getChildren(node?: Node): Promise<Node[]> {
    if (node === undefined) return await this.#dayNodes();
    switch (node.kind) {
      case "day": {
        const shown = this.#shownOf(node);
        if (node.rows.length <= shown) return node.rows;
        return [...node.rows.slice(0, shown), { kind: "more", day: node }];
      }
      case "more":
        return [];
      case "turn":
        return node.snapshots;
      case "snapshot":
        return await changesOf(node);
      default:
        return rowsBelow(node);
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
      case "more": {
        const { title, rows } = node.day;
        const item = new vscode.TreeItem("Show More");
        item.id = `more ${title}`;
        item.description = plural(
          rows.length - this.#shownOf(node.day),
          "older row",
        );
        item.iconPath = new vscode.ThemeIcon("ellipsis");
        item.command = {
          command: SHOW_MORE,
          title: "Show More",
          arguments: [node.day],
        };
        return item;
      }
      case "turn":
        return turnItem(node, this.#nameOf(node));
      case "snapshot":
        return this.#snapshotItem(node);
      default:
        return changeRowItem(node);
    }
  }

  #shownOf({ title }: DayNode): number {
    return this.#shown.get(title) ?? PAGE_ROWS;
  }

  async #dayNodes(): Promise<Node[]> {
    const notes = this.#folders.virtualFolders
      .map(({ name }) => virtualText(name));
    const empty: string[] = [];
    const lists = await Promise.all(
      this.#folders.all.map(async (folder): Promise<SnapshotNode[]> => {
        try {
          const list = await folder.snapshots();
          if (list.length === 0 && folder.isAsked) {
            notes.push(
              `${folder.name} has no snapshots here yet. Answer the question ` +
                "about its old history in the notifications.",
            );
          } else if (list.length === 0) empty.push(folder.name);
          return [...list, ...folder.safetySnapshots].map((info) => ({
            kind: "snapshot",
            folder,
            info,
          }));
        } catch (error) {
          notes.push(`${folder.name}: ${explain(error)}`);
          return [];
        }
      }),
    );
    const snapshots = lists.flat().sort((a, b) => b.info.time - a.info.time);
    this.#rows = new Map(
      snapshots.map((row) => [rowId(row.folder, row.info.id), row]),
    );
    this.#tellMenus();
    const days = new Map<string, DayNode>();
    const now = Date.now();
    for (const row of groupByTurn(snapshots)) {
      const newest = row.kind === "turn" ? row.snapshots[0] : row;
      const title = formatDay(newest.info.time, now);
      const day = days.get(title) ?? { kind: "day", title, rows: [] };
      day.rows.push(row);
      days.set(title, day);
    }
    // The notes are shown above the list, because VS Code would truncate them
    // in a row of the list. VS Code does not show that a list is empty if there
    // are notes above it, so the notes also name the folders without snapshots.
    if (notes.length > 0 && snapshots.length === 0) {
      notes.push(...empty.map(noSnapshotsText));
    }
    if (this.#view !== undefined) {
      this.#view.message = breakable(notes.join("\n"));
    }
    return [...days.values()];
  }

  /**
   * Returns the name of a row's folder, if the workspace has several folders.
   */
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
    item.contextValue = contextValueOf({ folder, info });
    item.tooltip = tooltipOf(info);
    item.accessibilityInformation = {
      label: `Snapshot of ${formatTime(time)}, ${item.description}`,
    };
    return item;
  }
}

function tooltipOf(info: SnapshotInfo): vscode.MarkdownString {
  const { counts, time, isSafety } = info;
  const label = labelOf(info);
  const lines = [
    `**${label === undefined ? "Snapshot" : escapeMarkdown(label)}**`,
    ...(isSafety
      ? ["Safety snapshot: the files that were about to change"]
      : []),
    formatDate(time),
    `${plural(counts.files, "file")}, ${formatBytes(counts.bytes)}; ` +
    `${formatBytes(counts.stored)} stored`,
    ...(info.since === undefined
      ? changesByKind(info)
      : [`Changes since ${formatDate(info.since)}`]),
    ...(counts.faults > 0 ? [`${plural(counts.faults, "path")} skipped`] : []),
  ];
  return new vscode.MarkdownString(lines.join("\n\n"));
}

/**
 * Returns the `contextValue` of a snapshot's row: the kind of the snapshot, a
 * space, and the id of the row. The conditions of the menus use this text.
 */
function contextValueOf(
  { folder, info }: Pick<SnapshotNode, "folder" | "info">,
): string {
  const kind = info.isSafety ? "safety" : "snapshot";
  return `${kind} ${rowId(folder, info.id)}`;
}

/** Returns the id of the row of a snapshot. */
function rowId({ uri }: { uri: vscode.Uri }, id: string): string {
  return `${uri} ${id}`;
}

/**
 * Returns the label of a snapshot. The label of a safety snapshot contains the
 * id of another snapshot. This id is replaced by the time of the other
 * snapshot.
 */
function labelOf({ label, isSafety }: SnapshotInfo): string | undefined {
  if (!isSafety) return label;
  return label?.replace(
    /(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z-[0-9a-f]{6}(?:-safety)?/,
    (_, year, month, day, hour, minute, second) =>
      formatMomentInText(
        Date.UTC(year, month - 1, day, hour, minute, second),
        Date.now(),
      ),
  );
}

function escapeMarkdown(text: string): string {
  return text.replaceAll(/[\\`*_{}[\]()#+\-.!<>|]/g, "\\$&");
}
