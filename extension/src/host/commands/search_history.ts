import * as vscode from "vscode";
import { plural } from "../../../../shared/text.ts";
import { pathIn } from "../folders/version_uri.ts";
import { showInformation } from "../ui/messages.ts";
import { withProgress } from "../ui/notifications.ts";
import { withoutIcons } from "../ui/plain.ts";
import { formatMoment } from "../ui/text.ts";
import { activeUri } from "../views/history_view.ts";
import { openVersion } from "./compare.ts";
import type { Context } from "./context.ts";

/**
 * Asks for a text, lists the versions of a file that contain the text, and
 * opens the version that the user chooses, at the first line with the text.
 */
export async function searchHistory(
  { folders }: Context,
  uri: vscode.Uri | undefined = activeUri(),
): Promise<void> {
  const folder = uri && folders.of(uri);
  if (uri === undefined || folder === undefined) {
    void showInformation(
      "Open a file in the workspace to search its history.",
    );
    return;
  }
  const path = pathIn(folder, uri);
  const text = await vscode.window.showInputBox({
    prompt: `Text to find in all versions of ${path}`,
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
  const unread = [
    ...(tooLarge > 0
      ? [` ${plural(tooLarge, "version")} too large to search.`]
      : []),
    ...(unreadable > 0
      ? [` ${plural(unreadable, "damaged version")} not searched.`]
      : []),
  ].join("");
  if (found.length === 0) {
    void showInformation(
      `No results in ${plural(searched, "version")} of ${path}.${unread}`,
    );
    return;
  }
  const now = Date.now();
  const chosen = await vscode.window.showQuickPick(
    found.map((version) => ({
      label: formatMoment(version.time, now),
      description: [
        version.label,
        plural(version.matches, "result"),
        ...(version.path === path ? [] : [version.path]),
      ].filter((part) => part !== undefined).map(withoutIcons)
        .join(" \u00b7 "),
      detail: withoutIcons(`${version.line}: ${version.excerpt}`),
      version,
    })),
    {
      title: `${plural(found.length, "version")} of ${searched} with ` +
        `"${text}".${unread}`,
      placeHolder: "Choose a version to open",
      matchOnDescription: true,
      matchOnDetail: true,
    },
  );
  if (chosen === undefined) return;
  const { version } = chosen;
  await openVersion(folder, version.path, version.id, version.line);
}

/** Returns the text selected in the active editor, if it is on one line. */
function selectedText(uri: vscode.Uri): string {
  const editor = vscode.window.activeTextEditor;
  if (editor?.document.uri.toString() !== uri.toString()) return "";
  return editor.selection.isSingleLine
    ? editor.document.getText(editor.selection)
    : "";
}
