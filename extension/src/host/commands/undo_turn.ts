import { plural } from "../../../../shared/text.ts";
import type { TurnInfo, TurnPreview } from "../../shared/protocol.ts";
import type { ProtectedFolder } from "../folders/protected_folder.ts";
import { pathIn } from "../folders/version_uri.ts";
import { explain, isCancelled } from "../ui/explain.ts";
import { showInformation, showWarning } from "../ui/messages.ts";
import { showFailure, withProgress } from "../ui/notifications.ts";
import { nameOfTurn, type TurnNode } from "../views/turn_rows.ts";
import type { Context } from "./context.ts";
import { markRestored } from "./mark_restored.ts";
import { openFiles, saveUnsaved, unsaved } from "./open_files.ts";
import {
  changesOf,
  list,
  offerRevert,
  showReport,
  warningsOf,
} from "./restore.ts";

/**
 * Undoes what a turn of an agent changed, after the user has confirmed the
 * changes. Files that were changed since the turn stay as they are, unless the
 * user decides otherwise. Files with unsaved changes are saved first.
 */
export async function undoTurn(
  { log }: Context,
  { folder, turn }: Pick<TurnNode, "folder" | "turn">,
): Promise<void> {
  const name = nameOfTurn(turn);
  try {
    const { config } = folder;
    const isRunning = await folder.exclusive(() =>
      folder.writer.call("endTurn", { config, turn: turn.id })
    );
    const preview = await folder.reader.call("previewUndoTurn", {
      config,
      turn: turn.id,
    });
    const conflicts = conflictsIn(folder, preview);
    const force = await confirm(folder, turn, {
      ...preview,
      isRunning,
      conflicts,
    });
    if (force === undefined) return;
    const { overwritten, last } = preview;
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
                { config, turn: turn.id, last, force },
                { signal, onProgress },
              ),
          )
        ),
    );
    // The user has agreed that the paths in `conflicts` stay as they are, so
    // they are not reported as failures.
    const known = new Set(force ? [] : conflicts);
    const failed = report.failed.filter(({ path }) => !known.has(path));
    showReport(
      { ...report, failed },
      "Restored",
      log,
      folder,
      `the state before ${name}`,
    );
  } catch (error) {
    if (isCancelled(error)) {
      void offerRevert(
        "The undo was cancelled. Some files might already be restored.",
        "Undo",
        folder,
      );
      return;
    }
    log.error(`${folder.name}: cannot undo ${name}: ${explain(error)}`);
    void showFailure(`Cannot undo ${name}: ${explain(error)}`, log);
  }
}

/**
 * Returns the paths that were changed since the turn, including files with
 * unsaved changes, which are saved before the undo.
 */
function conflictsIn(folder: ProtectedFolder, preview: TurnPreview): string[] {
  const dirty = unsaved(folder, preview).map(({ uri }) => pathIn(folder, uri));
  return [...new Set([...preview.conflicts, ...dirty])];
}

/**
 * Asks the user to confirm the changes. Returns whether files that were changed
 * since the turn are also restored, or `undefined` if the user refused or there
 * is nothing to undo.
 */
async function confirm(
  folder: ProtectedFolder,
  turn: TurnInfo,
  preview: TurnPreview & { isRunning: boolean },
): Promise<boolean | undefined> {
  const { touched, folders, failed, conflicts, left, isRunning } = preview;
  const isConflict = new Set(conflicts);
  const rest = (paths: string[]) =>
    paths.filter((path) => !isConflict.has(path));
  const overwritten = rest(preview.overwritten);
  const created = rest(preview.created);
  const deleted = rest(preview.deleted);
  const count = overwritten.length + created.length + deleted.length +
    touched + folders;
  if (count + conflicts.length + failed.length === 0) {
    void showInformation(
      left.length > 0
        ? `Nothing to undo: ${nameOfTurn(turn)} created only ` +
          `${plural(left.length, "path")} that a rule excluded before the ` +
          "turn. Excluded paths stay as they are."
        : "Nothing to undo: the files are as they were before " +
          `${nameOfTurn(turn)}.`,
    );
    return undefined;
  }
  const undo = "Undo Turn";
  const undoAll = `Also Undo ${plural(conflicts.length, "Changed Path")}`;
  const detail = [
    changesOf({ ...preview, overwritten, created }),
    list("will be deleted", deleted),
    folders === 0
      ? ""
      : `${plural(folders, "folder")} will be created, changed or deleted.`,
    list(
      `changed after the turn (kept, unless you choose "${undoAll}")`,
      conflicts,
      "path",
    ),
    list("excluded from snapshots before the turn (kept)", left, "path"),
    ...warningsOf(folder, preview),
    isRunning
      ? "The agent has not finished this turn, so all changes made so far count " +
        "as changes of the turn."
      : "",
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
