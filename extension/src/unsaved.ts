import * as vscode from "vscode";
import type { Guard } from "./guard.ts";
import type { RestorePlan } from "./protocol.ts";
import { fileUri } from "./versions.ts";

/** A file that is other in its editor than on the disk. */
interface Unsaved {
  uri: vscode.Uri;
  /** Saves it; says whether that worked. */
  save: () => PromiseLike<boolean>;
}

/** Editors of any kind with unsaved changes in files that a plan touches. */
export function unsaved(
  guard: Guard,
  { overwritten, created, deleted }: RestorePlan,
): Unsaved[] {
  const touched = new Set(
    [...overwritten, ...created, ...deleted]
      .map((path) => fileUri(guard, path).toString()),
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
