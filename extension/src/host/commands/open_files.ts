import { utimes } from "node:fs/promises";
import * as vscode from "vscode";
import type { RestorePreview } from "../../shared/protocol.ts";
import type { ProtectedFolder } from "../folders/protected_folder.ts";
import { fileUri } from "../folders/version_uri.ts";

/** A file with unsaved changes in an editor. */
interface UnsavedFile {
  uri: vscode.Uri;
  /** Saves the file. Returns whether it was saved. */
  save: () => PromiseLike<boolean>;
}

/**
 * Returns the files with unsaved changes that a restore would write or delete.
 */
export function unsaved(
  folder: ProtectedFolder,
  { overwritten, created, deleted }: RestorePreview,
): UnsavedFile[] {
  const touched = urisOf(folder, [...overwritten, ...created, ...deleted]);
  const { textDocuments, notebookDocuments } = vscode.workspace;
  return [
    ...[...textDocuments, ...notebookDocuments]
      .filter(({ isDirty }) => isDirty)
      .map((document) => ({ uri: document.uri, save: () => document.save() })),
    ...vscode.window.tabGroups.all.flatMap(({ tabs }) => tabs)
      .flatMap(({ isDirty, input }) =>
        isDirty && input instanceof vscode.TabInputCustom ? [input.uri] : []
      )
      .map((uri) => ({
        uri,
        save: async () => await vscode.workspace.save(uri) !== undefined,
      })),
  ].filter(({ uri }) => touched.has(uri.toString()));
}

/**
 * Saves the files with unsaved changes that a restore would write or delete.
 *
 * @throws {Error} If a file could not be saved.
 */
export async function saveUnsaved(
  folder: ProtectedFolder,
  preview: RestorePreview,
): Promise<void> {
  for (const { uri, save } of unsaved(folder, preview)) {
    if (await save()) continue;
    throw new Error(
      `${uri.fsPath} could not be saved, so nothing was restored. Save the ` +
        "file, and try again.",
    );
  }
}

/**
 * Sets the time of the restored files that are open in editors to now. A file
 * that is restored with an old time looks unchanged to VS Code, which would
 * overwrite the file without asking if its editor was not reloaded.
 */
export async function markRestored(
  folder: ProtectedFolder,
  { overwritten, created }: RestorePreview,
): Promise<void> {
  const restored = urisOf(folder, [...overwritten, ...created]);
  const { textDocuments, notebookDocuments } = vscode.workspace;
  const now = new Date();
  for (const { uri } of [...textDocuments, ...notebookDocuments]) {
    if (!restored.has(uri.toString())) continue;
    // The file may not have been restored, or may belong to another user.
    await utimes(uri.fsPath, now, now).catch(() => {});
  }
}

function urisOf(folder: ProtectedFolder, paths: readonly string[]) {
  return new Set(paths.map((path) => fileUri(folder, path).toString()));
}
