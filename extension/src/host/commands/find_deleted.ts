import * as vscode from "vscode";
import { formatBytes } from "../../../../shared/text.ts";
import { formatMoment } from "../ui/text.ts";
import { openVersion } from "./compare.ts";
import type { Context } from "./context.ts";
import { pickFolder, someSnapshots } from "./pick.ts";

/**
 * Lists the files that were deleted between snapshots, and opens the last
 * version of the file that the user chooses.
 */
export async function findDeleted({ folders }: Context): Promise<void> {
  const folder = await pickFolder(folders);
  if (folder === undefined) return;
  if ((await someSnapshots(folder)).length === 0) return;
  const config = folder.config;
  const deleted = await folder.reader.call("deleted", { config });
  if (deleted.length === 0) {
    void vscode.window.showInformationMessage(
      `No files in ${folder.name} were deleted between snapshots.`,
    );
    return;
  }
  const now = Date.now();
  const chosen = await vscode.window.showQuickPick(
    deleted.map(({ path, id, time, size }) => ({
      label: path,
      description: `deleted before ${formatMoment(time, now)} \u00b7 ` +
        formatBytes(size),
      path,
      id,
    })),
    { placeHolder: "Choose a file to open its last version" },
  );
  if (chosen !== undefined) await openVersion(folder, chosen.path, chosen.id);
}
