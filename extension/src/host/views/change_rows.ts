import * as vscode from "vscode";
import type {
  ChangedFolder,
  FileChange,
  SnapshotInfo,
} from "../../shared/protocol.ts";
import type { ProtectedFolder } from "../folders/protected_folder.ts";
import { explain } from "../ui/explain.ts";
import { detailLines, fieldLines, formatSize } from "../ui/text.ts";
import { changeUri, nameOfChange } from "./change_decorations.ts";

/** The maximum number of changed files for which folders start expanded. */
const MAX_OPEN_FILES = 20;

/** The list of changes that a row belongs to. */
interface Listed {
  folder: ProtectedFolder;
  info: SnapshotInfo;
  /**
   * The path of the folder to which the list is limited; empty for the
   * workspace folder.
   */
  within: string;
}

/** A folder with changes in it. */
export interface FolderNode extends Listed, ChangedFolder {
  kind: "folder";
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

/** A row that shows only text. */
interface NoteNode {
  kind: "note";
  title: string;
  /** Whether the text is an error message. */
  isFault?: boolean;
}

/** A row below a snapshot or below a version of a folder. */
export type ChangeRow = FolderNode | ChangeNode | NoteNode;

/**
 * Returns the rows of the changes in a snapshot.
 *
 * @param within The path of the folder to which the changes are limited.
 * Default: the workspace folder.
 */
export async function changesOf(
  { folder, info }: Pick<Listed, "folder" | "info">,
  within = "",
): Promise<ChangeRow[]> {
  const rows = await rowsIn({ folder, info, within }, "");
  return rows.length > 0 ? rows : [{ kind: "note", title: "No changes" }];
}

/** Returns the rows below a row. Only the row of a folder has any. */
export async function rowsBelow(row: ChangeRow): Promise<ChangeRow[]> {
  return row.kind === "folder" ? await rowsIn(row, row.path) : [];
}

/**
 * Reads the rows directly below a path, folders before files. A snapshot can
 * have tens of thousands of changes. So the changes in a subfolder stay in the
 * memory of the child process until the subfolder is expanded.
 */
async function rowsIn(
  { folder, info, within }: Listed,
  path: string,
): Promise<ChangeRow[]> {
  try {
    const before = info.isSafety ? undefined : await folder.before(info);
    const compared = { before, after: info.id, within };
    const { changed, first, folders, files } = await folder.reader.call(
      "changesBelow",
      { config: folder.config, ...compared, path },
    );
    folder.summaries.add({ folder, ...compared }, { changed, first });
    const isOpen = changed <= MAX_OPEN_FILES;
    return [
      ...folders.map((one): FolderNode => ({
        kind: "folder",
        folder,
        info,
        within,
        ...one,
        isOpen,
      })),
      ...files.map((change): ChangeNode => ({
        kind: "change",
        folder,
        info,
        // A safety snapshot is not compared with another snapshot, so its files
        // count as created. They existed before, so they are shown as updated.
        change: info.isSafety ? { ...change, change: "updated" } : change,
      })),
    ];
  } catch (error) {
    return [{ kind: "note", title: explain(error), isFault: true }];
  }
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

/** Returns the tree item for a row that shows only text. */
function noteItem({ title, isFault }: NoteNode): vscode.TreeItem {
  const item = new vscode.TreeItem(title);
  item.tooltip = title;
  if (isFault) item.iconPath = new vscode.ThemeIcon("warning");
  return item;
}
