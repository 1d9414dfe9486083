/**
 * Finds out which rows of a tree are visible.
 *
 * VS Code requests all rows of an expanded level of a tree together, but
 * requests the decoration of a row only when it draws the row. So each row has
 * its own URI, and a request for the decoration of this URI means that the row
 * needs its summary.
 *
 * @module
 */
import * as vscode from "vscode";
import type { Comparison } from "../folders/change_summaries.ts";
import type { ProtectedFolders } from "../folders/protected_folders.ts";
import { folderKey } from "../folders/version_uri.ts";

/** The scheme of the URIs of rows. No file can be read with such a URI. */
const SCHEME = "deltar-row";

/** Returns the URI of a row that shows the summary of a comparison. */
export function visibleRowUri(
  { folder, before, after, within }: Comparison,
): vscode.Uri {
  return vscode.Uri.from({
    scheme: SCHEME,
    authority: folderKey(folder.uri),
    path: `/${after}`,
    query: before ?? "",
    fragment: within,
  });
}

/** Requests the summaries of the rows that VS Code draws. Decorates nothing. */
export class VisibleRows implements vscode.FileDecorationProvider {
  readonly #folders: ProtectedFolders;

  constructor(folders: ProtectedFolders) {
    this.#folders = folders;
  }

  provideFileDecoration(uri: vscode.Uri): undefined {
    if (uri.scheme !== SCHEME) return;
    const folder = this.#folders.byKey(uri.authority);
    if (folder === undefined) return;
    this.#folders.summaries.request({
      folder,
      before: uri.query || undefined,
      after: uri.path.slice(1),
      within: uri.fragment,
    });
  }
}
