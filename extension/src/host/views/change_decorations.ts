import * as vscode from "vscode";
import type { FileChange } from "../../shared/protocol.ts";

/**
 * The scheme of the URIs of rows that show a change. No file can be read with
 * such a URI.
 */
const SCHEME = "deltar-change";

const LOOKS: Readonly<Record<FileChange["change"], [string, string, string]>> =
  {
    created: ["A", "Created", "gitDecoration.addedResourceForeground"],
    updated: ["M", "Modified", "gitDecoration.modifiedResourceForeground"],
    deleted: ["D", "Deleted", "errorForeground"],
    renamed: ["R", "Renamed", "gitDecoration.renamedResourceForeground"],
    copied: ["C", "Copied", "gitDecoration.addedResourceForeground"],
    touched: ["T", "Only metadata changed", "descriptionForeground"],
  };

/** Returns the displayed name of a kind of change, such as `Modified`. */
export function nameOfChange(change: FileChange["change"]): string {
  return LOOKS[change][1];
}

/**
 * Returns the URI of the row that shows a change. VS Code derives the name, the
 * icon, the letter and the color of the row from this URI.
 */
export function changeUri({ path, change }: FileChange): vscode.Uri {
  return vscode.Uri.from({ scheme: SCHEME, path: `/${path}`, query: change });
}

/** Decorates changes with letters and colors, as source control views do. */
export class ChangeDecorations implements vscode.FileDecorationProvider {
  provideFileDecoration(uri: vscode.Uri): vscode.FileDecoration | undefined {
    if (uri.scheme !== SCHEME) return undefined;
    const look = LOOKS[uri.query as FileChange["change"]];
    if (look === undefined) return undefined;
    const [badge, tooltip, color] = look;
    return new vscode.FileDecoration(
      badge,
      tooltip,
      new vscode.ThemeColor(color),
    );
  }
}
