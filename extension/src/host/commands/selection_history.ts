import * as vscode from "vscode";
import { plural } from "../../../../shared/text.ts";
import { pathIn, SCHEME } from "../folders/version_uri.ts";
import { showInformation } from "../ui/messages.ts";
import { withProgress } from "../ui/notifications.ts";
import { openVersion, openVersionChange } from "./compare.ts";
import type { Context } from "./context.ts";
import { folderOf } from "./pick.ts";
import { pickVersion, unreadText } from "./version_picks.ts";

/**
 * Lists the versions of a file in which the selected lines changed, and shows
 * the change that the user chooses.
 */
export async function showSelectionHistory(
  { folders }: Context,
): Promise<void> {
  const editor = vscode.window.activeTextEditor;
  const { uri } = editor?.document ?? {};
  const folder = folderOf(
    folders,
    uri?.scheme === SCHEME ? undefined : uri,
    "Select lines of a file in the workspace to see their history.",
  );
  if (editor === undefined || uri === undefined || !folder) return;
  const path = pathIn(folder, uri);
  const { selection, document } = editor;
  const range = linesOf(selection);
  const { found, compared, tooLarge, unreadable } = await withProgress(
    "Comparing versions",
    (signal) =>
      folder.reader.call("lineHistory", {
        config: folder.config,
        path,
        text: document.getText(),
        encoding: document.encoding,
        range,
      }, { signal }),
  );
  const ignored = unreadText({ tooLarge, unreadable }, ["compare", "compared"]);
  const lines = `${range[1] - range[0] === 1 ? "line" : "lines"} ${
    rangeText(range[0] + 1, range[1])
  }`;
  if (found.length === 0) {
    void showInformation(
      `No snapshot has the current ${lines} of ${path}. ${
        plural(compared, "version")
      } compared.${ignored}`,
    );
    return;
  }
  const chosen = await pickVersion(
    found,
    ({ version, before, line, count, excerpt }) => ({
      time: version.time,
      parts: [
        version.label,
        before === undefined ? "first version" : undefined,
        version.path === path ? undefined : version.path,
      ],
      line: `${rangeText(line, line + count - 1)}: ${excerpt}`,
    }),
    `${plural(found.length, "change")} to ${lines} in ${path}.${ignored}`,
    "Choose a change to show",
  );
  if (chosen === undefined) return;
  const { version, before, line } = chosen;
  if (before === undefined) {
    await openVersion(folder, version.path, version.id, line);
  } else await openVersionChange({ folder, version, before }, line);
}

/** Returns the text for a range of line numbers, such as `3` or `3–5`. */
function rangeText(first: number, last: number): string {
  return first === last ? `${first}` : `${first}\u2013${last}`;
}

/**
 * Returns the range of the lines of a selection: the number of the first line,
 * and the number of the line after the last one, both counted from 0. If a
 * selection of several lines ends at the start of a line, that line is not in
 * the range.
 */
function linesOf(
  { start, end }: vscode.Selection,
): [start: number, end: number] {
  const isAtStart = end.character === 0 && end.line > start.line;
  return [start.line, isAtStart ? end.line : end.line + 1];
}
