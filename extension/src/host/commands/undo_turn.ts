import { plural } from "../../../../shared/text.ts";
import type { TurnInfo, TurnPreview } from "../../shared/protocol.ts";
import type { ProtectedFolder } from "../folders/protected_folder.ts";
import { explain, isCancelled } from "../ui/explain.ts";
import { showInformation, showWarning } from "../ui/messages.ts";
import { showFailure, withProgress } from "../ui/notifications.ts";
import { formatMoment } from "../ui/text.ts";
import { nameOfTurn, type TurnNode } from "../views/turn_rows.ts";
import type { Context } from "./context.ts";
import { markRestored } from "./mark_restored.ts";
import { openFiles, saveUnsaved } from "./open_files.ts";
import { changesOf, list, showReport, warningsOf } from "./restore.ts";
import { remember } from "./unfinished_restores.ts";

/**
 * Undoes what a turn of an agent changed, after the user has confirmed the
 * changes. Files that were changed since the turn stay as they are, unless the
 * user decides otherwise. Files with unsaved changes are saved first.
 */
export async function undoTurn(
  { log, memory }: Context,
  { folder, turn }: Pick<TurnNode, "folder" | "turn">,
): Promise<void> {
  const name = nameOfTurn(turn);
  try {
    const { config } = folder;
    const preview = await folder.reader.call("previewUndoTurn", {
      config,
      turn: turn.id,
    });
    const force = await confirm(folder, turn, preview);
    if (force === undefined) return;
    const { overwritten, conflicts } = preview;
    await saveUnsaved(
      folder,
      force
        ? { ...preview, overwritten: [...overwritten, ...conflicts] }
        : preview,
    );
    const report = await withProgress(
      `Undoing ${name}`,
      (signal, onProgress) =>
        folder.exclusive(() =>
          markRestored(
            openFiles(folder),
            () =>
              folder.writer.call(
                "undoTurn",
                { config, turn: turn.id, force },
                { signal, onProgress },
              ),
          )
        ),
    );
    await remember(memory, folder, undefined);
    showReport(report, "Restored", log, folder, `the state before ${name}`);
  } catch (error) {
    if (isCancelled(error)) return;
    log.error(`${folder.name}: cannot undo ${name}: ${explain(error)}`);
    void showFailure(`Undo Turn: ${explain(error)}`, log);
  }
}

/**
 * Asks the user to confirm the changes. Returns whether files that were changed
 * since the turn are also restored, or `undefined` if the user refused or there
 * is nothing to undo.
 */
async function confirm(
  folder: ProtectedFolder,
  turn: TurnInfo,
  preview: TurnPreview,
): Promise<boolean | undefined> {
  const { overwritten, created, deleted, touched, failed } = preview;
  const { conflicts, left } = preview;
  const count = overwritten.length + created.length + deleted.length + touched;
  if (count + conflicts.length + failed.length === 0) {
    void showInformation(
      `Nothing to undo: the files are as they were before ${nameOfTurn(turn)}.`,
    );
    return undefined;
  }
  const undo = "Undo Turn";
  const undoAll = `Also Undo ${plural(conflicts.length, "Changed Path")}`;
  const detail = [
    changesOf(preview),
    list("deleted", deleted),
    list(
      `changed after the turn, which stay unless you choose "${undoAll}"`,
      conflicts,
      "path",
    ),
    list("excluded from snapshots before the turn, which stay", left, "path"),
    ...warningsOf(folder, preview),
    ...turn.isOver ? [] : [
      "No snapshot has the end of this turn. What the agent changed after " +
      `${formatMoment(turn.end, Date.now())} stays.`,
    ],
    "The current files are first saved to a safety snapshot. Undo Last " +
    "Restore brings them back.",
  ].filter((part) => part !== "").join("\n\n");
  const answer = await showWarning(
    `Undo ${nameOfTurn(turn)} in ${folder.name}?`,
    { modal: true, detail },
    ...count > 0 ? [undo] : [],
    ...conflicts.length > 0 ? [undoAll] : [],
  );
  if (answer === undefined) return undefined;
  return answer === undoAll;
}
