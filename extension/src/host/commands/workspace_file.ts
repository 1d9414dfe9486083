import type * as vscode from "vscode";
import type { ProtectedFolder } from "../folders/protected_folder.ts";
import { pathIn } from "../folders/version_uri.ts";
import { activeUri } from "../views/history_view.ts";
import type { Context } from "./context.ts";
import { folderOf } from "./pick.ts";

/** A file in a folder of the workspace. */
export interface WorkspaceFile {
  uri: vscode.Uri;
  folder: ProtectedFolder;
  /** The path in the folder, with `/` between names. */
  path: string;
}

/**
 * Returns the file that a command works with: the chosen file or, if the user
 * chose none, the file in the active editor. If that file is not in a workspace
 * folder, or the folder is virtual, shows a message and returns `undefined`.
 *
 * @param chosen The chosen file.
 * @param purpose The purpose of the command, such as "search its history". The
 * message says "Open a file in the workspace to search its history."
 */
export function workspaceFile(
  { folders }: Context,
  chosen: vscode.Uri | undefined,
  purpose: string,
): WorkspaceFile | undefined {
  const uri = chosen ?? activeUri();
  const advice = `Open a file in the workspace to ${purpose}.`;
  const folder = folderOf(folders, uri, advice);
  if (uri === undefined || folder === undefined) return undefined;
  return { uri, folder, path: pathIn(folder, uri) };
}
