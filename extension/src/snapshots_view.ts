import * as vscode from "vscode";
import { changeUri, nameOfChange } from "./decorations.ts";
import { explain } from "./explain.ts";
import type { Guard } from "./guard.ts";
import type { Guards } from "./guards.ts";
import type { FileChange, SnapshotInfo } from "./protocol.ts";
import {
  formatBytes,
  formatDay,
  formatSince,
  formatTime,
  plural,
} from "./text.ts";

/** The snapshots of one day. */
interface DayNode {
  kind: "day";
  title: string;
  snapshots: SnapshotNode[];
}

/** A snapshot of a folder. */
export interface SnapshotNode {
  kind: "snapshot";
  guard: Guard;
  info: SnapshotInfo;
}

/** A folder with changes in it. */
export interface FolderNode {
  kind: "folder";
  guard: Guard;
  info: SnapshotInfo;
  /** Its path. */
  path: string;
  /** The text to show: folders with a single entry are joined. */
  title: string;
  changes: FileChange[];
}

/** A file that changed. */
export interface ChangeNode {
  kind: "change";
  guard: Guard;
  info: SnapshotInfo;
  change: FileChange;
}

/** A line that only says something. */
interface NoteNode {
  kind: "note";
  title: string;
  /** Whether something is wrong. */
  isFault?: boolean;
}

/** A line of the view. */
export type Node = DayNode | SnapshotNode | FolderNode | ChangeNode | NoteNode;

/** Snapshots by day, and below each the files that changed with it. */
export class SnapshotsView implements vscode.TreeDataProvider<Node> {
  readonly onDidChangeTreeData: vscode.Event<void>;
  readonly #changed = new vscode.EventEmitter<void>();
  readonly #guards: Guards;
  #view: vscode.TreeView<Node> | undefined;

  constructor(guards: Guards) {
    this.#guards = guards;
    this.onDidChangeTreeData = this.#changed.event;
    guards.onDidChange(() => this.#changed.fire());
  }

  /** Shows itself in a view. */
  attach(id: string): vscode.Disposable {
    return this.#view = vscode.window.createTreeView(id, {
      treeDataProvider: this,
      canSelectMany: true,
      showCollapseAll: true,
    });
  }

  async getChildren(node?: Node): Promise<Node[]> {
    if (node === undefined) return await this.#days();
    switch (node.kind) {
      case "day":
        return node.snapshots;
      case "snapshot":
        return await changesOf(node);
      case "folder":
        return childrenOf(node, node.changes, `${node.path}/`);
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
      case "snapshot":
        return this.#snapshotItem(node);
      case "folder":
        return folderItem(node);
      case "change":
        return changeItem(node);
      case "note": {
        const item = new vscode.TreeItem(node.title);
        item.tooltip = node.title;
        if (node.isFault) item.iconPath = new vscode.ThemeIcon("warning");
        return item;
      }
    }
  }

  async #days(): Promise<Node[]> {
    const failures: string[] = [];
    const lists = await Promise.all(
      this.#guards.all.map(async (guard): Promise<SnapshotNode[]> => {
        try {
          const list = await guard.snapshots();
          return list.map((info) => ({ kind: "snapshot", guard, info }));
        } catch (error) {
          failures.push(`${guard.folder.name}: ${explain(error)}`);
          return [];
        }
      }),
    );
    const snapshots = lists.flat().sort((a, b) => b.info.time - a.info.time);
    const days = new Map<string, DayNode>();
    const now = Date.now();
    for (const snapshot of snapshots) {
      const title = formatDay(snapshot.info.time, now);
      const day = days.get(title) ?? { kind: "day", title, snapshots: [] };
      day.snapshots.push(snapshot);
      days.set(title, day);
    }
    // A line would be cut off.
    if (this.#view !== undefined) this.#view.message = failures.join("\n");
    return [...days.values()];
  }

  #snapshotItem({ guard, info }: SnapshotNode): vscode.TreeItem {
    const { counts, label, time, id } = info;
    const folder = this.#guards.all.length > 1 ? guard.folder.name : undefined;
    const item = new vscode.TreeItem(
      formatTime(time),
      vscode.TreeItemCollapsibleState.Collapsed,
    );
    item.id = `${guard.folder.uri} ${id}`;
    item.description = [folder, label, changedOf(info)]
      .filter((part) => part !== undefined).join(" \u00b7 ");
    item.iconPath = new vscode.ThemeIcon(
      counts.faults > 0 ? "warning" : label === undefined ? "history" : "tag",
    );
    item.contextValue = "snapshot";
    const lines = [
      `**${label === undefined ? "Snapshot" : escapeMarkdown(label)}**`,
      new Date(time).toLocaleString(),
      `${plural(counts.files, "file")}, ${formatBytes(counts.bytes)}; ` +
      `${formatBytes(counts.stored)} stored`,
      ...(info.since === undefined
        ? whatChanged(info)
        : [`Changes since ${new Date(info.since).toLocaleString()}`]),
      ...(counts.faults > 0
        ? [`${plural(counts.faults, "file")} could not be kept`]
        : []),
    ];
    item.tooltip = new vscode.MarkdownString(lines.join("\n\n"));
    item.accessibilityInformation = {
      label: `Snapshot of ${formatTime(time)}, ${item.description}`,
    };
    return item;
  }
}

/**
 * Returns the changes of a snapshot since the one before, as a line if there
 * are any.
 */
function whatChanged({ before, counts }: SnapshotInfo): string[] {
  if (before === undefined) return [];
  const words = [
    [counts.created, "created"],
    [counts.updated, "modified"],
    [counts.deleted, "deleted"],
    [counts.renamed, "renamed"],
    [counts.copied, "copied"],
  ] as const;
  const line = words.filter(([count]) => count > 0)
    .map(([count, word]) => `${count.toLocaleString("en")} ${word}`).join(", ");
  return line === "" ? [] : [line];
}

/**
 * Returns how many files differ between a snapshot and the one before it, in
 * words.
 */
export function changedOf(
  { counts, time, before, since, changed: counted }: SnapshotInfo,
): string {
  if (before === undefined) return plural(counts.files, "file");
  if (since !== undefined && counted === undefined) {
    return `changes since ${formatSince(since, time, Date.now())}`;
  }
  const changed = counted ?? counts.created + counts.updated + counts.deleted +
      counts.renamed + counts.copied;
  return changed === 0
    ? "no file changed"
    : `${plural(changed, "file")} changed`;
}

async function changesOf(node: SnapshotNode): Promise<Node[]> {
  const { guard, info } = node;
  try {
    const changes = await guard.reader.call("compare", {
      place: guard.place,
      before: await guard.before(info),
      after: info.id,
    });
    const shown = changes.filter(({ change }) => change !== "touched");
    guard.counted(info, shown.length);
    const nodes = childrenOf(node, shown.length > 0 ? shown : changes, "");
    return nodes.length > 0 ? nodes : [{ kind: "note", title: "No changes" }];
  } catch (error) {
    return [{ kind: "note", title: explain(error), isFault: true }];
  }
}

/** Folders first, then files, of what lies below `prefix`. */
function childrenOf(
  { guard, info }: { guard: Guard; info: SnapshotInfo },
  changes: FileChange[],
  prefix: string,
): Node[] {
  const folders = new Map<string, FileChange[]>();
  const files: Node[] = [];
  for (const change of changes) {
    const rest = change.path.slice(prefix.length);
    const slash = rest.indexOf("/");
    if (slash < 0) {
      files.push({ kind: "change", guard, info, change });
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
        guard,
        info,
        path: prefix + title,
        title,
        changes,
      };
    }),
    ...files,
  ];
}

/** A folder's name, with the names of folders that are all it holds. */
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

function folderItem({ guard, info, path, title }: FolderNode): vscode.TreeItem {
  const item = new vscode.TreeItem(
    title,
    vscode.TreeItemCollapsibleState.Collapsed,
  );
  item.id = `${guard.folder.uri} ${info.id} ${path}/`;
  item.iconPath = vscode.ThemeIcon.Folder;
  item.contextValue = "folder";
  return item;
}

function changeItem(node: ChangeNode): vscode.TreeItem {
  const { guard, info, change } = node;
  const item = new vscode.TreeItem(changeUri(change));
  item.id = `${guard.folder.uri} ${info.id} ${change.path}`;
  item.iconPath = vscode.ThemeIcon.File;
  item.contextValue = `change.${change.change}`;
  item.description = change.from === undefined
    ? formatBytes(change.size)
    : `from ${change.from}`;
  item.tooltip = `${change.path}\n${nameOfChange(change.change)}, ` +
    formatBytes(change.size);
  item.command = {
    command: "deltar.openChange",
    title: "Open Changes",
    arguments: [node],
  };
  return item;
}

function escapeMarkdown(text: string): string {
  return text.replaceAll(/[\\`*_{}[\]()#+\-.!<>|]/g, "\\$&");
}
