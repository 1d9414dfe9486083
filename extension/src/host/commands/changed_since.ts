import * as vscode from "vscode";
import type { SnapshotInfo } from "../../shared/protocol.ts";
import type { ProtectedFolder } from "../folders/protected_folder.ts";
import { withoutIcons } from "../ui/plain.ts";
import { changedFiles } from "../ui/snapshot_text.ts";
import { formatDay, formatMoment, formatTime } from "../ui/text.ts";
import { compareWithWorkspace } from "./compare.ts";
import type { Context } from "./context.ts";
import { pickFolder, pickSnapshot, someSnapshots } from "./pick.ts";

/**
 * The time when VS Code started the extension in this window, in milliseconds
 * since 1970.
 */
const SESSION_START = Date.now();

/**
 * An item of the quick pick. If the user chooses an item without a snapshot, a
 * second quick pick lists all snapshots.
 */
type Since = vscode.QuickPickItem & { info?: SnapshotInfo };

/**
 * Asks the user for a point in time, and compares the snapshot of that time
 * with the current state of its folder.
 */
export async function changedSince(context: Context): Promise<void> {
  const folder = await pickFolder(context.folders);
  if (folder === undefined) return;
  const snapshots = await someSnapshots(folder);
  if (snapshots.length === 0) return;
  const chosen = await vscode.window.showQuickPick(
    momentsOf(folder, snapshots, Date.now()),
    {
      placeHolder: "Choose a point in time to see what has changed since then",
      matchOnDescription: true,
    },
  );
  if (chosen === undefined) return;
  const info = chosen.info ??
    await pickSnapshot(
      folder,
      "Choose a snapshot to compare with the current files",
    );
  if (info === undefined) return;
  await compareWithWorkspace(context, { folder, info });
}

/**
 * Returns the items of the quick pick: the points in time that have a snapshot,
 * and an item for choosing any snapshot.
 *
 * @param snapshots The snapshots, the newest first.
 * @param now The current time, in milliseconds since 1970.
 */
function momentsOf(
  folder: ProtectedFolder,
  snapshots: readonly SnapshotInfo[],
  now: number,
): Since[] {
  const midnight = new Date(now).setHours(0, 0, 0, 0);
  const labeled = snapshots.find(({ label }) => label !== undefined);
  const old = snapshots.find(({ time }) => time < midnight);
  const session = snapshots.find(({ time }) => time <= SESSION_START) ??
    snapshots.at(-1);
  const since = (label: string, info: SnapshotInfo | undefined): Since[] =>
    info === undefined ? [] : [{
      label: `$(${info.label === undefined ? "history" : "tag"}) ${label}`,
      description: [
        // The item already names the day, so only the time is added.
        label === "Yesterday"
          ? formatTime(info.time)
          : formatMoment(info.time, now),
        ...(info.label === undefined ? [] : [info.label]),
        changedFiles(info, folder.summaryOf(info)),
      ].map(withoutIcons).join(" \u00b7 "),
      info,
    }];
  return [
    ...since("Last Snapshot", snapshots[0]),
    ...since("Last Label", labeled),
    ...since(
      old && formatDay(old.time, now) === "Yesterday"
        ? "Yesterday"
        : "Before Today",
      old,
    ),
    ...since("Start of This Session", session),
    { label: "$(list-unordered) Choose a Snapshot\u2026" },
  ];
}
