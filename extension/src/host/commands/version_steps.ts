import * as vscode from "vscode";
import type { FileVersion } from "../../shared/protocol.ts";
import { EMPTY, pathIn, SCHEME } from "../folders/version_uri.ts";
import { showInformation } from "../ui/messages.ts";
import { compareWithFile, openVersion, openVersionChange } from "./compare.ts";
import type { Context } from "./context.ts";

/**
 * The sides of the active editor. An editor of a single file has only the right
 * side.
 */
interface OpenSides {
  left: vscode.Uri | undefined;
  right: vscode.Uri;
}

/**
 * Keeps the context key `deltar.isVersionEditor` up to date. The key is `true`
 * if the active editor shows a version. The title of the editor then has the
 * buttons "Previous Version" and "Next Version".
 *
 * @returns An object that ends the updates when it is disposed of.
 */
export function watchVersionEditors(): vscode.Disposable {
  const update = () =>
    void vscode.commands.executeCommand(
      "setContext",
      "deltar.isVersionEditor",
      openSides() !== undefined,
    );
  update();
  return vscode.Disposable.from(
    vscode.window.tabGroups.onDidChangeTabs(update),
    vscode.window.tabGroups.onDidChangeTabGroups(update),
  );
}

/**
 * Shows the version before or after the one in the active editor. If the editor
 * compares its version with the current file or with the previous version, the
 * new editor does the same.
 *
 * @param step -1 for the older version, 1 for the newer version.
 */
export async function stepVersion(
  { folders }: Context,
  step: -1 | 1,
): Promise<void> {
  const sides = openSides();
  const folder = sides && folders.of(sides.right);
  if (sides === undefined || folder === undefined) {
    void showInformation("Open a version of a file to see its other versions.");
    return;
  }
  const { left, right } = sides;
  const versions = await folder.reader.call("history", {
    config: folder.config,
    path: pathIn(folder, right),
  });
  const isWithNow = right.scheme !== SCHEME;
  const canShow = ({ size }: FileVersion) =>
    size !== undefined || !isWithNow && left !== undefined;
  const at = isWithNow
    ? indexIn(versions, left)
    // An empty right side shows that the file was deleted. The left side is
    // then the version before the deletion, and `versions` lists the newest
    // version first.
    : right.query === EMPTY
    ? indexIn(versions, left) - 1
    : indexIn(versions, right);
  let next = at - step;
  while (versions[next] !== undefined && !canShow(versions[next])) next -= step;
  const version = versions[next];
  if (version === undefined) {
    void showInformation(
      step < 0 ? "There is no older version." : "There is no newer version.",
    );
    return;
  }
  if (isWithNow) {
    await compareWithFile(folder, pathIn(folder, right), version);
  } else if (left === undefined) {
    await openVersion(folder, version.path, version.id);
  } else {
    const before = versions[next + 1];
    await openVersionChange({ folder, version, before });
  }
}

/**
 * Returns the index in `versions` of the version that a URI refers to. The URI
 * can name any snapshot that has the version, but the `id` of a version is the
 * id of the first such snapshot. Returns `versions.length` if the URI refers to
 * no version.
 */
function indexIn(
  versions: readonly FileVersion[],
  uri: vscode.Uri | undefined,
): number {
  if (uri === undefined || uri.query === EMPTY) return versions.length;
  const at = versions.findIndex(({ id }) => id <= uri.query);
  return at < 0 ? versions.length : at;
}

/**
 * Returns the sides of the active editor, or `undefined` if the editor shows no
 * version.
 */
function openSides(): OpenSides | undefined {
  const input = vscode.window.tabGroups.activeTabGroup.activeTab?.input;
  const isDiff = input instanceof vscode.TabInputTextDiff ||
    input instanceof vscode.TabInputNotebookDiff;
  if (isDiff) {
    const { original: left, modified: right } = input;
    const isVersion = [left, right].some(({ scheme }) => scheme === SCHEME);
    return isVersion ? { left, right } : undefined;
  }
  const isFile = input instanceof vscode.TabInputText ||
    input instanceof vscode.TabInputCustom ||
    input instanceof vscode.TabInputNotebook;
  return isFile && input.uri.scheme === SCHEME
    ? { left: undefined, right: input.uri }
    : undefined;
}
