import * as vscode from "vscode";
import { changedOf } from "./snapshots_view.ts";
import type { Guard } from "./guard.ts";
import type { Guards } from "./guards.ts";
import type { FileVersion, LeftOut, SnapshotInfo } from "./protocol.ts";
import {
  formatAgo,
  formatBytes,
  formatDay,
  formatMoment,
  formatTime,
} from "./text.ts";

/** The folder that a command is about: the only one, or the user's choice. */
export async function pickGuard(guards: Guards): Promise<Guard | undefined> {
  if (guards.all.length <= 1) return guards.all[0];
  const chosen = await vscode.window.showQuickPick(
    guards.all.map((guard) => ({
      label: guard.folder.name,
      description: guard.folder.uri.fsPath,
      guard,
    })),
    { placeHolder: "Which folder?" },
  );
  return chosen?.guard;
}

/** A snapshot of a folder, as the user chooses it. */
export async function pickSnapshot(
  guard: Guard,
  placeHolder: string,
): Promise<SnapshotInfo | undefined> {
  const snapshots = await guard.snapshots();
  if (snapshots.length === 0) {
    void vscode.window.showInformationMessage(
      `There are no snapshots of ${guard.folder.name} yet.`,
    );
    return undefined;
  }
  const chosen = await vscode.window.showQuickPick(
    snapshotItems(snapshots.map((info) => ({ guard, info }))),
    { placeHolder, matchOnDescription: true },
  );
  return chosen?.info;
}

/** Snapshots as a list, with the days between them. */
export function snapshotItems(
  snapshots: readonly { guard: Guard; info: SnapshotInfo }[],
): (vscode.QuickPickItem & { guard?: Guard; info?: SnapshotInfo })[] {
  const now = Date.now();
  const isOfSeveral = new Set(snapshots.map(({ guard }) => guard)).size > 1;
  const items:
    (vscode.QuickPickItem & { guard?: Guard; info?: SnapshotInfo })[] = [];
  let day: string | undefined;
  for (const { guard, info } of snapshots) {
    const next = formatDay(info.time, now);
    if (next !== day) {
      day = next;
      const kind = vscode.QuickPickItemKind.Separator;
      items.push({ label: day, kind });
    }
    items.push({
      label: info.label === undefined
        ? `$(history) ${formatTime(info.time)}`
        : `$(tag) ${info.label}`,
      description: [
        ...(info.label === undefined ? [] : [formatTime(info.time)]),
        formatAgo(info.time, now),
        ...(isOfSeveral ? [guard.folder.name] : []),
        changedOf(info),
      ].join(" \u00b7 "),
      guard,
      info,
    });
  }
  return items;
}

/** A version of a file, as the user chooses it. */
export async function pickVersion(
  guard: Guard,
  path: string,
  placeHolder: string,
): Promise<FileVersion | undefined> {
  const place = guard.place;
  const versions = await guard.reader.call("history", { place, path });
  const there = versions.filter(({ size }) => size !== undefined);
  if (there.length === 0) {
    void vscode.window.showInformationMessage(
      `${path} is in no snapshot yet.`,
    );
    return undefined;
  }
  const now = Date.now();
  const chosen = await vscode.window.showQuickPick(
    there.map((version) => ({
      label: formatMoment(version.time, now),
      description: [version.label, formatBytes(version.size!)]
        .filter((part) => part !== undefined).join(" \u00b7 "),
      version,
    })),
    { placeHolder, matchOnDescription: true },
  );
  return chosen?.version;
}

/** Lines that say what was left out and why, the faults first. */
export function leftOutItems(
  skipped: readonly LeftOut[],
): vscode.QuickPickItem[] {
  const kind = vscode.QuickPickItemKind.Separator;
  const item = ({ path, reason, detail, isFault }: LeftOut) => ({
    label: `$(${isFault ? "warning" : "exclude"}) ${path}`,
    description: reason,
    ...(detail !== undefined && { detail }),
  });
  const faults = skipped.filter(({ isFault }) => isFault);
  const others = skipped.filter(({ isFault }) => !isFault);
  return [
    ...(faults.length > 0 ? [{ label: "could not be kept", kind }] : []),
    ...faults.map(item),
    ...(others.length > 0 ? [{ label: "left out by rule or kind", kind }] : []),
    ...others.map(item),
  ];
}
