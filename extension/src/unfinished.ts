import * as vscode from "vscode";
import type { Context } from "./context.ts";
import type { Guard } from "./guard.ts";
import type { RestoreWish } from "./protocol.ts";

const keyOf = ({ folder }: Guard) => `restoring ${folder.uri}`;

/** Remembers that a restore has begun, or, with no wish, that it has ended. */
export async function remember(
  memory: vscode.Memento,
  guard: Guard,
  wish: RestoreWish | undefined,
): Promise<void> {
  await memory.update(keyOf(guard), wish);
}

/** Tells of restores that were cut short, and what can be done. */
export async function offerToFinish(context: Context): Promise<void> {
  for (const guard of context.guards.all) {
    const wish = context.memory.get<RestoreWish>(keyOf(guard));
    if (wish === undefined || !vscode.workspace.isTrusted) continue;
    const undo = "Undo It";
    const finish = "Finish It";
    const answer = await vscode.window.showWarningMessage(
      `A restore of ${guard.folder.name} was cut short. Nothing is lost: what ` +
        "it was to overwrite is in a safety snapshot.",
      undo,
      finish,
    );
    if (answer === undo) {
      await vscode.commands.executeCommand("deltar.undoRestore", guard);
    } else if (answer === finish) {
      await vscode.commands.executeCommand(
        "deltar.finishRestore",
        guard,
        wish,
      );
    }
  }
}
