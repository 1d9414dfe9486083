import * as vscode from "vscode";
import { formatBytes } from "../../../../shared/text.ts";
import { showInformation } from "../ui/messages.ts";
import { withoutIcons } from "../ui/plain.ts";
import { formatMomentInText } from "../ui/text.ts";
import { openVersion } from "./compare.ts";
import type { Context } from "./context.ts";
import { pickFolder, pickWithButtons, someSnapshots } from "./pick.ts";
import { restore } from "./restore.ts";

/** The button that restores the file of a list item. */
const RESTORE: vscode.QuickInputButton = {
  iconPath: new vscode.ThemeIcon("discard"),
  tooltip: "Restore File\u2026",
};

/**
 * Lists the files that were deleted between snapshots, and opens the last
 * version of the file that the user chooses. Each item has a button that
 * restores the file.
 */
export async function findDeleted(context: Context): Promise<void> {
  const folder = await pickFolder(context.folders);
  if (folder === undefined) return;
  if ((await someSnapshots(folder)).length === 0) return;
  const config = folder.config;
  const deleted = await folder.reader.call("deleted", { config });
  if (deleted.length === 0) {
    void showInformation(
      `No files in ${folder.name} were deleted between snapshots.`,
    );
    return;
  }
  const now = Date.now();
  const chosen = await pickWithButtons(
    deleted.map(({ path, id, time, size }) => ({
      label: withoutIcons(path),
      description: `deleted before ${formatMomentInText(time, now)} \u00b7 ` +
        formatBytes(size),
      buttons: [RESTORE],
      path,
      id,
    })),
    "Choose a file to open its last version",
  );
  if (chosen === undefined) return;
  const { item: { path, id }, button } = chosen;
  if (button === undefined) await openVersion(folder, path, id);
  else await restore(context, folder, { id, paths: [path] });
}
