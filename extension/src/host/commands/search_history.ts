import * as vscode from "vscode";
import { plural } from "../../../../shared/text.ts";
import { showInformation } from "../ui/messages.ts";
import { withProgress } from "../ui/notifications.ts";
import { withoutLinks } from "../ui/plain.ts";
import { openVersion } from "./compare.ts";
import type { Context } from "./context.ts";
import { pickVersion, unreadText } from "./version_picks.ts";
import { workspaceFile } from "./workspace_file.ts";

/**
 * Asks for the text to find, lists the versions of a file that contain the
 * text, and opens the version that the user chooses, at the first line with the
 * text.
 */
export async function searchHistory(
  context: Context,
  chosen?: vscode.Uri,
): Promise<void> {
  const file = workspaceFile(context, chosen, "search its history");
  if (file === undefined) return;
  const { uri, folder, path } = file;
  const text = await vscode.window.showInputBox({
    prompt: `Text to find in all versions of ${withoutLinks(path)}`,
    placeHolder: "Search",
    value: selectedText(uri),
  });
  if (text === undefined || text === "") return;
  const { found, searched, tooLarge, unreadable } = await withProgress(
    "Searching",
    (signal) =>
      folder.reader.call("searchHistory", {
        config: folder.config,
        path,
        text,
      }, { signal }),
  );
  const unread = unreadText({ tooLarge, unreadable }, ["search", "searched"]);
  if (found.length === 0) {
    void showInformation(
      `No results in ${plural(searched, "version")} of ${path}.${unread}`,
    );
    return;
  }
  const version = await pickVersion(
    found,
    (one) => ({
      time: one.time,
      parts: [
        one.label,
        plural(one.matches, "result"),
        one.path === path ? undefined : one.path,
      ],
      line: `${one.line}: ${one.excerpt}`,
    }),
    `${found.length.toLocaleString("en")} of ${
      plural(searched, "version")
    } with "${text}".${unread}`,
    "Choose a version to open",
  );
  if (version === undefined) return;
  await openVersion(folder, version.path, version.id, version.line);
}

/**
 * Returns the text that is selected in a file. Returns an empty string if the
 * file is not in the active editor, or if the selection has several lines.
 */
function selectedText(uri: vscode.Uri): string {
  const editor = vscode.window.activeTextEditor;
  if (editor?.document.uri.toString() !== uri.toString()) return "";
  return editor.selection.isSingleLine
    ? editor.document.getText(editor.selection)
    : "";
}
