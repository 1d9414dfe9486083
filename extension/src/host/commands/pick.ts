import * as vscode from "vscode";
import type {
  FileVersion,
  SkippedPath,
  SnapshotInfo,
} from "../../shared/protocol.ts";
import type { ProtectedFolder } from "../folders/protected_folder.ts";
import type { ProtectedFolders } from "../folders/protected_folders.ts";
import { showInformation } from "../ui/messages.ts";
import { withoutIcons } from "../ui/plain.ts";
import { noFolderText, virtualText } from "../ui/virtual_text.ts";
import { changedFiles, noSnapshotsText } from "../ui/snapshot_text.ts";
import {
  formatAgo,
  formatDay,
  formatMoment,
  formatSize,
  formatTime,
} from "../ui/text.ts";

/**
 * Returns the only folder of the workspace. If the workspace has several
 * folders, asks the user to choose one of them, and returns `undefined` if the
 * user cancels. If the workspace has no folder on a disk, shows a message and
 * returns `undefined`.
 */
export async function pickFolder(
  folders: ProtectedFolders,
): Promise<ProtectedFolder | undefined> {
  if (folders.all.length === 0) {
    void showInformation(noFolderText(folders.virtualFolders));
  }
  if (folders.all.length <= 1) return folders.all[0];
  const chosen = await vscode.window.showQuickPick(
    folders.all.map((folder) => ({
      label: withoutIcons(folder.name),
      description: withoutIcons(folder.uri.fsPath),
      folder,
    })),
    { placeHolder: "Choose a folder" },
  );
  return chosen?.folder;
}

/**
 * Returns the workspace folder that contains a file. If there is no such
 * folder, or the folder is virtual, shows a message and returns `undefined`.
 *
 * @param uri The URI of the file, if there is a file.
 * @param advice The message to show if no workspace folder contains the file.
 */
export function folderOf(
  folders: ProtectedFolders,
  uri: vscode.Uri | undefined,
  advice: string,
): ProtectedFolder | undefined {
  const folder = uri && folders.of(uri);
  if (folder !== undefined) return folder;
  const virtual = uri && folders.virtualFolderOf(uri);
  void showInformation(virtual ? virtualText(virtual.name) : advice);
  return undefined;
}

/**
 * Returns the snapshots of a folder, the newest first. If the folder has none,
 * also shows a message with a button that takes a snapshot.
 */
export async function someSnapshots(
  folder: ProtectedFolder,
): Promise<readonly SnapshotInfo[]> {
  const snapshots = await folder.snapshots();
  if (snapshots.length === 0) {
    const create = "Create Snapshot";
    void showInformation(
      noSnapshotsText(folder.name),
      create,
    ).then((answer) => {
      if (answer === create) {
        return vscode.commands.executeCommand("deltar.snapshot");
      }
    });
  }
  return snapshots;
}

/**
 * Asks the user to choose a snapshot of a folder. Returns `undefined` if the
 * user cancels, or if there is no snapshot to choose.
 *
 * @param placeHolder The prompt, such as "Choose a snapshot to restore".
 * @param other The id of a snapshot that is not listed, because the user has
 * already chosen it.
 */
export async function pickSnapshot(
  folder: ProtectedFolder,
  placeHolder: string,
  other?: string,
): Promise<SnapshotInfo | undefined> {
  const all = await someSnapshots(folder);
  if (all.length === 0) return undefined;
  const snapshots = all.filter(({ id }) => id !== other);
  if (snapshots.length === 0) {
    void showInformation(`There is no other snapshot of ${folder.name} yet.`);
    return undefined;
  }
  const chosen = await vscode.window.showQuickPick(
    snapshotItems(snapshots.map((info) => ({ folder, info }))),
    { placeHolder, matchOnDescription: true },
  );
  return chosen?.info;
}

/** Returns the items of a quick pick for snapshots, grouped by day. */
export function snapshotItems(
  snapshots: readonly { folder: ProtectedFolder; info: SnapshotInfo }[],
): (vscode.QuickPickItem & {
  folder?: ProtectedFolder;
  info?: SnapshotInfo;
})[] {
  const now = Date.now();
  const isOfSeveral = new Set(snapshots.map(({ folder }) => folder)).size > 1;
  const items: (vscode.QuickPickItem & {
    folder?: ProtectedFolder;
    info?: SnapshotInfo;
  })[] = [];
  let day: string | undefined;
  for (const { folder, info } of snapshots) {
    const next = formatDay(info.time, now);
    if (next !== day) {
      day = next;
      const kind = vscode.QuickPickItemKind.Separator;
      items.push({ label: day, kind });
    }
    items.push({
      label: info.label === undefined
        ? `$(history) ${formatTime(info.time)}`
        : `$(tag) ${withoutIcons(info.label)}`,
      description: [
        ...(info.label === undefined ? [] : [formatTime(info.time)]),
        formatAgo(info.time, now),
        ...(isOfSeveral ? [withoutIcons(folder.name)] : []),
        withoutIcons(changedFiles(info, folder.summaryOf(info))),
      ].join(" \u00b7 "),
      folder,
      info,
    });
  }
  return items;
}

/**
 * Asks the user to choose a version of a file. Returns `undefined` if the user
 * cancels, or if no snapshot contains the file.
 *
 * @param placeHolder The prompt, such as "Choose a version to restore".
 */
export async function pickVersion(
  folder: ProtectedFolder,
  path: string,
  placeHolder: string,
): Promise<FileVersion | undefined> {
  const config = folder.config;
  const versions = await folder.reader.call("history", { config, path });
  const there = versions.flatMap(({ size, ...version }) =>
    size === undefined ? [] : [{ ...version, size }]
  );
  if (there.length === 0) {
    void showInformation(
      `No snapshot contains ${path} yet.`,
    );
    return undefined;
  }
  const now = Date.now();
  const chosen = await vscode.window.showQuickPick(
    there.map((version) => ({
      label: formatMoment(version.time, now),
      description: [version.label, formatSize(version)]
        .filter((part) => part !== undefined).map(withoutIcons)
        .join(" \u00b7 "),
      version,
    })),
    { placeHolder, matchOnDescription: true },
  );
  return chosen?.version;
}

/**
 * Returns the items of a quick pick for skipped and excluded paths. The skipped
 * paths come first.
 */
export function skippedItems(
  skipped: readonly SkippedPath[],
): (vscode.QuickPickItem & { path?: string })[] {
  const kind = vscode.QuickPickItemKind.Separator;
  const item = ({ path, reason, detail, isFault }: SkippedPath) => ({
    label: `$(${isFault ? "warning" : "exclude"}) ${withoutIcons(path)}`,
    description: reason,
    ...(detail !== undefined && { detail: withoutIcons(detail) }),
    path,
  });
  // The title of the group already says that the paths are excluded, so the
  // description is the rule that excludes the path.
  const excluded = (one: SkippedPath) =>
    one.reason === "excluded" && one.detail !== undefined
      ? {
        label: `$(exclude) ${withoutIcons(one.path)}`,
        description: withoutIcons(one.detail),
        path: one.path,
      }
      : item(one);
  const faults = skipped.filter(({ isFault }) => isFault);
  const others = skipped.filter(({ isFault }) => !isFault);
  return [
    ...(faults.length > 0 ? [{ label: "skipped", kind }] : []),
    ...faults.map(item),
    ...(others.length > 0 ? [{ label: "excluded", kind }] : []),
    ...others.map(excluded),
  ];
}

/**
 * Asks the user to choose an item, or to press a button of an item. Returns the
 * item and, if the user pressed a button, the button. Returns `undefined` if
 * the user cancels.
 */
export function pickWithButtons<T extends vscode.QuickPickItem>(
  items: readonly T[],
  placeholder: string,
): Promise<{ item: T; button?: vscode.QuickInputButton } | undefined> {
  const picker = vscode.window.createQuickPick<T>();
  Object.assign(picker, { items, placeholder });
  return new Promise((resolve) => {
    picker.onDidTriggerItemButton((pressed) => {
      resolve(pressed);
      picker.hide();
    });
    picker.onDidAccept(() => {
      const [item] = picker.selectedItems;
      if (item !== undefined) resolve({ item });
      picker.hide();
    });
    picker.onDidHide(() => {
      resolve(undefined);
      picker.dispose();
    });
    picker.show();
  });
}
