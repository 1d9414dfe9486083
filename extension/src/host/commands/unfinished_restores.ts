import * as vscode from "vscode";
import type { RestoreRequest } from "../../shared/protocol.ts";
import type { ProtectedFolder } from "../folders/protected_folder.ts";
import { showWarning } from "../ui/messages.ts";
import type { Context } from "./context.ts";

const keyOf = ({ uri }: ProtectedFolder) => `restoring ${uri}`;

/**
 * Remembers the request of a restore that has begun. If `request` is
 * `undefined`, forgets the remembered request.
 */
export async function remember(
  memory: vscode.Memento,
  folder: ProtectedFolder,
  request: RestoreRequest | undefined,
): Promise<void> {
  await memory.update(keyOf(folder), request);
}

/** Offers to finish or undo interrupted and failed restores. */
export async function offerToFinish(context: Context): Promise<void> {
  for (const folder of context.folders.all) {
    const request = context.memory.get<RestoreRequest>(keyOf(folder));
    if (request === undefined || !vscode.workspace.isTrusted) continue;
    const undo = "Undo Restore";
    const finish = "Finish Restore";
    const keep = "Keep Current Files";
    const answer = await showWarning(
      `A restore of ${folder.name} was interrupted or failed. The files that ` +
        "the restore replaced or deleted are in a safety snapshot.",
      undo,
      finish,
      keep,
    );
    if (answer === undo) {
      await vscode.commands.executeCommand("deltar.undoRestore", folder);
    } else if (answer === finish) {
      await vscode.commands.executeCommand(
        "deltar.finishRestore",
        folder,
        request,
      );
    } else if (answer === keep) {
      await remember(context.memory, folder, undefined);
    }
  }
}
