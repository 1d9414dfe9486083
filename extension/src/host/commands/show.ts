import * as vscode from "vscode";
import type { ProtectedFolder } from "../folders/protected_folder.ts";
import { advisedIn } from "../ui/advice.ts";
import { showInformation } from "../ui/messages.ts";
import { takeAdvice } from "../ui/notifications.ts";
import { withoutIcons } from "../ui/plain.ts";
import { noFolderText } from "../ui/virtual_text.ts";
import type { StatusBar } from "../views/status_bar.ts";
import type { Context } from "./context.ts";
import {
  pickFolder,
  skippedItems,
  snapshotItems,
  someSnapshots,
} from "./pick.ts";

/**
 * Shows the status and the list of snapshots. Called when the user clicks
 * Deltar's item in the status bar, or runs the command "Show Snapshots".
 */
export async function showStatus(
  { folders }: Context,
  status: StatusBar,
): Promise<void> {
  if (folders.all.length === 0) {
    void showInformation(noFolderText(folders.virtualFolders));
    return;
  }
  const { level, reasons } = status.state();
  const lists = await Promise.all(
    folders.all.map(async (folder) => {
      const list = await folder.snapshots().catch(() => []);
      return list.map((info) => ({ folder, info }));
    }),
  );
  const snapshots = lists.flat().sort((a, b) => b.info.time - a.info.time);
  const kind = vscode.QuickPickItemKind.Separator;
  const faults = folders.all.flatMap(({ faults }) => faults);
  const items: (vscode.QuickPickItem & { run?: () => unknown })[] = [
    {
      label: "$(add) Create Snapshot",
      run: () => vscode.commands.executeCommand("deltar.snapshot"),
    },
    {
      label: "$(exclude) Show Excluded and Skipped Files",
      run: () => vscode.commands.executeCommand("deltar.showSkipped"),
    },
    status.automaticAction,
    // A reason can end with advice. VS Code cuts off the end of a reason that
    // is too long for its row, so the advice also has its own row.
    ...advisedIn(...reasons).map((advice) => ({
      label: `$(lightbulb) ${advice.title}`,
      ...("setting" in advice && { description: advice.setting }),
      run: () => takeAdvice(advice),
    })),
    ...(reasons.length > 0 ? [{ label: "reasons", kind }] : []),
    ...reasons.map((label) => ({
      label: `$(warning) ${withoutIcons(label)}`,
      run: () => vscode.commands.executeCommand("deltar.showLog"),
    })),
    ...skippedItems(faults),
    ...snapshotItems(snapshots).map(({ folder, info, ...item }) => ({
      ...item,
      ...(folder && info && {
        run: () => openChanges(folder, info.id),
      }),
    })),
  ];
  const title = `Deltar: ${level}`;
  const chosen = await vscode.window.showQuickPick(items, {
    title,
    placeHolder: "Choose a snapshot to see its changes",
    matchOnDescription: true,
  });
  await chosen?.run?.();
}

function openChanges(folder: ProtectedFolder, id: string): Thenable<unknown> {
  return vscode.commands.executeCommand("deltar.openSnapshotChanges", {
    kind: "snapshot",
    folder,
    info: { id },
  });
}

/**
 * Lists the paths that a folder's last snapshot excluded or skipped, with the
 * reasons.
 */
export async function showSkipped({ folders }: Context): Promise<void> {
  const folder = await pickFolder(folders);
  if (folder === undefined) return;
  const [last] = await someSnapshots(folder);
  if (last === undefined) return;
  const config = folder.config;
  const recorded = await folder.reader.call("skipped", { config, id: last.id });
  const known = new Set(folder.faults.map(({ path }) => path));
  const skipped = [
    ...folder.faults,
    ...recorded.filter(({ path }) => !known.has(path)),
  ];
  if (skipped.length === 0) {
    void showInformation(
      `The last snapshot of ${folder.name} did not exclude or skip anything.`,
    );
    return;
  }
  const chosen = await vscode.window.showQuickPick(skippedItems(skipped), {
    title: `Excluded and Skipped Files of ${folder.name}`,
    placeHolder: "Type to find a path or a rule",
    matchOnDetail: true,
    matchOnDescription: true,
  });
  if (chosen?.path === undefined) return;
  await vscode.commands.executeCommand(
    "revealInExplorer",
    vscode.Uri.joinPath(folder.uri, chosen.path),
  );
}
