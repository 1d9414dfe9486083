import * as vscode from "vscode";
import type { Context } from "./context.ts";
import { openVersion } from "./compare.ts";
import { pickGuard } from "./pick.ts";
import { formatBytes, formatMoment } from "./text.ts";

/** Lists the files that the last snapshots say went, and opens one. */
export async function findDeleted({ guards }: Context): Promise<void> {
  const guard = await pickGuard(guards);
  if (guard === undefined) return;
  const place = guard.place;
  const deleted = await guard.reader.call("deleted", { place });
  if (deleted.length === 0) {
    void vscode.window.showInformationMessage(
      `No file of ${guard.folder.name} was deleted between snapshots.`,
    );
    return;
  }
  const now = Date.now();
  const chosen = await vscode.window.showQuickPick(
    deleted.map(({ path, id, time, size }) => ({
      label: path,
      description: `deleted by ${formatMoment(time, now)} \u00b7 ` +
        formatBytes(size),
      path,
      id,
    })),
    { placeHolder: "Choose a file to see how it was last" },
  );
  if (chosen !== undefined) await openVersion(guard, chosen.path, chosen.id);
}
