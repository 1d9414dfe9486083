import * as vscode from "vscode";
import type { RestorePreview } from "../../shared/protocol.ts";
import type { ProtectedFolder } from "../folders/protected_folder.ts";
import { fileUri } from "../folders/version_uri.ts";

/** A file with unsaved changes in an editor. */
interface UnsavedFile {
  uri: vscode.Uri;
  /** Saves the file. Returns whether the file was saved. */
  save: () => PromiseLike<boolean>;
}

/**
 * Returns the files that have unsaved changes and that a restore would write or
 * delete.
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
 * Saves the files that have unsaved changes and that a restore would write or
 * delete.
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
 * Returns the absolute paths of the files of a folder that are open in text or
 * notebook editors.
 */
export function openFiles({ uri }: ProtectedFolder): string[] {
  const prefix = `${uri.toString().replace(/\/$/, "")}/`;
  const { textDocuments, notebookDocuments } = vscode.workspace;
  return [...textDocuments, ...notebookDocuments]
    .filter((document) => document.uri.toString().startsWith(prefix))
    .map((document) => document.uri.fsPath);
}

function urisOf(folder: ProtectedFolder, paths: readonly string[]) {
  return new Set(
    // A name that is not valid UTF-8 has no URI, so no editor can open the
    // file.
    paths.filter((path) => path.isWellFormed())
      .map((path) => fileUri(folder, path).toString()),
  );
}
