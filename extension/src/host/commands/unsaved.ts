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
  const touched = new Set(
    [...overwritten, ...created, ...deleted]
      .map((path) => fileUri(folder, path).toString()),
  );
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
