import * as vscode from "vscode";
import { nameSum } from "../../../../shared/name_sum.ts";

/** The scheme of the URIs of files in snapshots. */
export const SCHEME = "deltar";

/**
 * The query of a URI that stands for a missing file, in place of a snapshot's
 * id. VS Code shows the file as empty.
 */
export const EMPTY = "nothing";

/** The fields of a folder that are needed to make the URIs of its files. */
interface Folder {
  /** The URI of the folder. */
  uri: vscode.Uri;
}

/** Returns the string that identifies a folder in the URIs of versions. */
export function folderKey(uri: vscode.Uri): string {
  return nameSum(uri.toString());
}

/**
 * Returns the URI of a file in the snapshot `id` or, if `id` is `undefined`, a
 * URI that stands for a missing file. The path in the URI is the path of the
 * file in the workspace, because a diff editor shows different paths as a
 * rename.
 */
export function versionUri(
  { uri }: Folder,
  id: string | undefined,
  path: string,
): vscode.Uri {
  return vscode.Uri.from({
    scheme: SCHEME,
    authority: folderKey(uri),
    path: fileUri({ uri }, path).path,
    query: id ?? EMPTY,
  });
}

/** Returns the URI of a file in the workspace. */
export function fileUri({ uri }: Folder, path: string): vscode.Uri {
  return vscode.Uri.joinPath(uri, path);
}

/** Returns the path of a file in its folder, with `/` between names. */
export function pathIn(folder: Folder, uri: vscode.Uri): string {
  return uri.path.slice(folder.uri.path.replace(/\/$/, "").length + 1);
}
