import * as vscode from "vscode";
import type { FileChange, SnapshotInfo } from "../../shared/protocol.ts";
import type { ProtectedFolder } from "../folders/protected_folder.ts";
import { explain } from "../ui/explain.ts";
import { detailLines, fieldLines, formatSize } from "../ui/text.ts";
import { changeUri, nameOfChange } from "./change_decorations.ts";
import { ChangesCache } from "./changes_cache.ts";

/** The maximum number of changed files for which folders start expanded. */
const MAX_OPEN_FILES = 20;

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

/** A row that shows only a text. */
interface NoteNode {
  kind: "note";
  title: string;
  /** Whether the text is about a fault. */
  isFault?: boolean;
}

/** A row below a snapshot or below a version of a folder. */
export type ChangeRow = FolderNode | ChangeNode | NoteNode;

/**
 * Returns the rows of the changes in a snapshot.
 *
 * @param within The path of a folder, if only changes in this folder are shown.
 */
export async function changesOf(
  { folder, info }: Pick<FolderNode, "folder" | "info">,
  within = "",
): Promise<ChangeRow[]> {
  try {
    const before = info.isSafety ? undefined : await folder.before(info);
    const changes = await readChanges(folder, before, info.id, within);
    // A safety snapshot is only a set of files, so all of its files are shown as
    // updated.
    if (info.isSafety) { for (const one of changes) one.change = "updated"; }
    const shown = changes.filter(({ change }) => change !== "touched");
    folder.summaries.add({ folder, before, after: info.id, within }, shown);
    const nodes = rowsIn(
      { folder, info, isOpen: shown.length <= MAX_OPEN_FILES },
      shown.length > 0 ? shown : changes,
      "",
    );
    return nodes.length > 0 ? nodes : [{ kind: "note", title: "No changes" }];
  } catch (error) {
    return [{ kind: "note", title: explain(error), isFault: true }];
  }
}

const cache = new ChangesCache<FileChange>();

/** Returns the changes between two snapshots. */
function readChanges(
  folder: ProtectedFolder,
  before: string | undefined,
  after: string,
  within: string,
): Promise<FileChange[]> {
  const { config } = folder;
  const compared = { before, after, within };
  const key = JSON.stringify([config.repository, before, after, within]);
  return cache.get(
    key,
    () => folder.reader.call("compare", { config, ...compared }),
  );
}

/** Returns the rows below a row. Only the row of a folder has any. */
export function rowsBelow(row: ChangeRow): ChangeRow[] {
  return row.kind === "folder" ? rowsIn(row, row.changes, `${row.path}/`) : [];
}

/** Returns the tree item for a row. */
export function changeRowItem(row: ChangeRow): vscode.TreeItem {
  switch (row.kind) {
    case "folder":
      return folderItem(row);
    case "change":
      return changeItem(row);
    case "note":
      return noteItem(row);
  }
}

/** Returns the rows below the path `prefix`, folders before files. */
function rowsIn(
  { folder, info, isOpen }: Pick<FolderNode, "folder" | "info" | "isOpen">,
  changes: FileChange[],
  prefix: string,
): ChangeRow[] {
  const folders = new Map<string, FileChange[]>();
  const files: ChangeRow[] = [];
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
function folderItem(
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
function changeItem(node: ChangeNode): vscode.TreeItem {
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
function noteItem({ title, isFault }: NoteNode): vscode.TreeItem {
  const item = new vscode.TreeItem(title);
  item.tooltip = title;
  if (isFault) item.iconPath = new vscode.ThemeIcon("warning");
  return item;
}
