import * as vscode from "vscode";
import type { Context } from "./context.ts";
import type { Guard } from "./guard.ts";
import { leftOutItems, pickGuard, snapshotItems } from "./pick.ts";
import type { StatusBar } from "./status_bar.ts";

/**
 * Shows the status and the list of snapshots after a click on the status bar.
 */
export async function showStatus(
  { guards }: Context,
  status: StatusBar,
): Promise<void> {
  const { level, reasons } = status.state();
  const lists = await Promise.all(
    guards.all.map(async (guard) => {
      const list = await guard.snapshots().catch(() => []);
      return list.map((info) => ({ guard, info }));
    }),
  );
  const snapshots = lists.flat().sort((a, b) => b.info.time - a.info.time);
  const kind = vscode.QuickPickItemKind.Separator;
  const faults = guards.all.flatMap(({ faults }) => faults);
  const items: (vscode.QuickPickItem & { run?: () => unknown })[] = [
    {
      label: "$(add) Create Snapshot",
      run: () => vscode.commands.executeCommand("deltar.snapshot"),
    },
    {
      label: "$(exclude) Show What Was Left Out",
      run: () => vscode.commands.executeCommand("deltar.showSkipped"),
    },
    ...(status.pause === undefined ? [] : [status.pause]),
    ...(reasons.length > 0 ? [{ label: "reasons", kind }] : []),
    ...reasons.map((label) => ({
      label: `$(warning) ${label}`,
      run: () => vscode.commands.executeCommand("deltar.showLog"),
    })),
    ...leftOutItems(faults),
    ...snapshotItems(snapshots).map(({ guard, info, ...item }) => ({
      ...item,
      ...(guard && info && {
        run: () => openChanges(guard, info.id),
      }),
    })),
  ];
  const title = `Deltar: ${level}`;
  const chosen = await vscode.window.showQuickPick(items, {
    title,
    placeHolder: "Choose a snapshot to see what changed with it",
    matchOnDescription: true,
  });
  await chosen?.run?.();
}

function openChanges(guard: Guard, id: string): Thenable<unknown> {
  return vscode.commands.executeCommand("deltar.openSnapshotChanges", {
    kind: "snapshot",
    guard,
    info: { id },
  });
}

/** Lists what a folder's last snapshot left out, and why. */
export async function showSkipped({ guards }: Context): Promise<void> {
  const guard = await pickGuard(guards);
  if (guard === undefined) return;
  const [last] = await guard.snapshots();
  if (last === undefined) {
    void vscode.window.showInformationMessage(
      guard.failure ?? `There are no snapshots of ${guard.folder.name} yet.`,
    );
    return;
  }
  const place = guard.place;
  const recorded = await guard.reader.call("skipped", { place, id: last.id });
  const known = new Set(guard.faults.map(({ path }) => path));
  const skipped = [
    ...guard.faults,
    ...recorded.filter(({ path }) => !known.has(path)),
  ];
  if (skipped.length === 0) {
    void vscode.window.showInformationMessage(
      `The last snapshot of ${guard.folder.name} left nothing out.`,
    );
    return;
  }
  const chosen = await vscode.window.showQuickPick(leftOutItems(skipped), {
    title: `${guard.folder.name}: left out`,
    placeHolder: "Type to find a path or a rule",
    matchOnDetail: true,
    matchOnDescription: true,
  });
  const path = chosen?.label.replace(/^\$\(\w+\) /, "");
  if (path === undefined) return;
  await vscode.commands.executeCommand(
    "revealInExplorer",
    vscode.Uri.joinPath(guard.folder.uri, path),
  );
}
