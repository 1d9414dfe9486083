import * as vscode from "vscode";
import { plural } from "../../../../shared/text.ts";
import type {
  RestorePreview,
  RestoreReport,
  RestoreRequest,
  RevertPreview,
  SnapshotInfo,
} from "../../shared/protocol.ts";
import type { ProtectedFolder } from "../folders/protected_folder.ts";
import { EMPTY, pathIn, SCHEME } from "../folders/version_uri.ts";
import { explain, isCancelled } from "../ui/explain.ts";
import { showError, showInformation, showWarning } from "../ui/messages.ts";
import { showFailure, withProgress } from "../ui/notifications.ts";
import { withoutIcons } from "../ui/plain.ts";
import { formatMomentInText } from "../ui/text.ts";
import { activeUri } from "../views/history_view.ts";
import type { Node, SnapshotNode } from "../views/snapshots_view.ts";
import { openRestoreChanges } from "./compare.ts";
import type { Context } from "./context.ts";
import { markRestored } from "./mark_restored.ts";
import { openFiles, saveUnsaved, unsaved } from "./open_files.ts";
import { folderOf, pickFolder, pickSnapshot, pickVersion } from "./pick.ts";
import { remember } from "./unfinished_restores.ts";

/** The maximum number of paths that a question or a log line lists. */
const MAX_NAMED_PATHS = 8;

/**
 * Restores the files and folders that the user chose in the list of snapshots.
 * Each one is restored to its state in the snapshot that it is listed under. A
 * file that this snapshot no longer has, or a folder with only such files, is
 * restored to its state in the previous snapshot. The user confirms the restore
 * from each snapshot separately.
 */
export async function restoreLines(
  context: Context,
  nodes: readonly Node[],
): Promise<void> {
  const proposals = new Map<
    string,
    { folder: ProtectedFolder; id: string; paths: string[] }
  >();
  for (const node of nodes) {
    if (node.kind !== "change" && node.kind !== "folder") continue;
    const { folder, info } = node;
    const isGone = node.kind === "change"
      ? node.change.change === "deleted"
      : node.isGone;
    const id = isGone ? await folder.before(info) : info.id;
    if (id === undefined) continue;
    const key = `${folder.uri} ${id}`;
    const proposal = proposals.get(key) ?? { folder, id, paths: [] };
    proposal.paths.push(node.kind === "change" ? node.change.path : node.path);
    proposals.set(key, proposal);
  }
  const newestFirst = [...proposals.values()]
    .sort((a, b) => a.id < b.id ? 1 : -1);
  for (const { folder, id, paths } of newestFirst) {
    await restore(context, folder, { id, paths });
  }
}

/** Restores a whole snapshot. */
export async function restoreSnapshot(
  context: Context,
  node: SnapshotNode | undefined,
): Promise<void> {
  const folder = node?.folder ?? await pickFolder(context.folders);
  const info = node?.info ??
    (folder && await pickSnapshot(folder, "Choose a snapshot to restore"));
  if (folder === undefined || info === undefined) return;
  await restore(context, folder, { id: info.id });
}

/**
 * Restores the files and folders that the user chose in the explorer or, if
 * none was chosen, the file in the active editor. Ignores files and folders
 * that are not in the same workspace folder as the first one.
 */
export async function restoreUris(
  context: Context,
  chosen: readonly vscode.Uri[],
): Promise<void> {
  const open = activeUri();
  const uris = chosen.length > 0 ? chosen : open ? [open] : [];
  const folder = folderOf(
    context.folders,
    uris[0],
    "Choose a file or folder in the workspace to restore.",
  );
  if (folder === undefined) return;
  const paths = uris.filter((uri) => context.folders.of(uri) === folder)
    .map((uri) => pathIn(folder, uri));
  if (paths.includes("")) {
    return await restoreSnapshot(context, undefined);
  }
  const version = paths.length === 1 && await isFile(uris[0])
    ? await pickVersion(folder, paths[0], "Choose a version to restore")
    : await pickSnapshot(folder, "Choose a snapshot to restore from");
  if (version === undefined) return;
  await restore(context, folder, {
    id: version.id,
    paths: "path" in version ? [version.path] : paths,
  });
}

/**
 * Restores the version of a file that is open in the active editor. In a diff
 * editor, this is the version on the right.
 */
export async function restoreOpenVersion(
  context: Context,
  uri: vscode.Uri | undefined = activeUri(),
): Promise<void> {
  const folder = uri && context.folders.of(uri);
  if (uri === undefined || folder === undefined || uri.scheme !== SCHEME) {
    void showInformation(
      "Open a version of a file to restore it.",
    );
    return;
  }
  if (uri.query === EMPTY) {
    void showInformation(
      "Nothing to restore: the snapshot does not have this file.",
    );
    return;
  }
  await restore(context, folder, {
    id: uri.query,
    paths: [pathIn(folder, uri)],
  });
}

/** A restore that the user has to confirm. */
export interface RestoreProposal {
  /** The id of the snapshot. */
  id: string;
  /** The paths of the files and folders to restore. Default: all. */
  paths?: string[];
  /**
   * Whether to delete files that are not in the snapshot. By default, the user
   * is asked.
   */
  deleteOthers?: boolean;
}

/**
 * Restores files after the user has confirmed the changes. Files with unsaved
 * changes are saved first, so that the safety snapshot has their content.
 *
 * @returns The result, or `undefined` if the user refused or cancelled the
 * restore, if no file differs, if the workspace is not trusted, if the snapshot
 * no longer exists, or if the restore failed. Unless the user refused, a
 * message tells the user the reason.
 */
export async function restore(
  context: Context,
  folder: ProtectedFolder,
  proposal: RestoreProposal,
): Promise<RestoreReport | undefined> {
  const { log } = context;
  if (!vscode.workspace.isTrusted) {
    void showWarning(
      "Files can be restored only in a trusted workspace.",
    );
    return undefined;
  }
  const { id, paths } = proposal;
  const all = [...await folder.snapshots(), ...folder.safetySnapshots];
  const info = all.find((one) => one.id === id);
  if (info === undefined) {
    void showError(`Snapshot ${id} no longer exists.`);
    return undefined;
  }
  let request: RestoreRequest = {
    id,
    // A safety snapshot has only some of the files, so the others must stay.
    deleteOthers: !info.isSafety,
    ...(paths && { paths }),
  };
  try {
    const config = folder.config;
    const preview = await folder.reader.call("previewRestore", {
      config,
      request,
    });
    const chosen = await confirm(folder, info, preview, proposal);
    if (chosen === undefined) return undefined;
    if (chosen === "show") {
      await openRestoreChanges(folder, info, preview);
      const again = "Restore\u2026";
      const answer = await showInformation(
        `These are the changes that restoring ${whatOf(folder, paths)} as of ` +
          `${formatMomentInText(info.time, Date.now())} would make.`,
        again,
      );
      if (answer !== again) return undefined;
      return await restore(context, folder, proposal);
    }
    request = { ...request, ...chosen };
    await saveUnsaved(folder, preview);
    return await carryOut(context, folder, request);
  } catch (error) {
    if (isCancelled(error)) {
      await remember(context.memory, folder, undefined);
      void offerRevert(
        "The restore was cancelled. Some files might already be restored.",
        "Undo",
        folder,
      );
      return undefined;
    }
    log.error(`${folder.name}: cannot restore: ${explain(error)}`);
    void showFailure(`Cannot restore ${folder.name}: ${explain(error)}`, log);
    return undefined;
  }
}

/**
 * Restores files without asking the user. The request is remembered until the
 * restore succeeds, so that an interrupted or failed restore can be finished.
 */
export async function carryOut(
  { log, memory }: Context,
  folder: ProtectedFolder,
  request: RestoreRequest,
): Promise<RestoreReport> {
  const { config } = folder;
  await remember(memory, folder, request);
  const report = await withProgress(
    "Restoring",
    (signal, onProgress) =>
      folder.exclusive(() =>
        markRestored(
          openFiles(folder),
          () =>
            folder.writer.call("restore", { config, request }, {
              signal,
              onProgress,
            }),
        )
      ),
  );
  await remember(memory, folder, undefined);
  const { paths, id } = request;
  showReport(
    report,
    "Restored",
    log,
    folder,
    [
      ...(paths
        ? [paths.length > MAX_NAMED_PATHS ? "some paths" : paths.join(", ")]
        : []),
      `from snapshot ${id}`,
    ].join(" "),
  );
  return report;
}

/**
 * Undoes the last restore of a folder or, if `direction` is `redo`, the last
 * undo, after the user has confirmed the changes. Files with unsaved changes
 * are saved first, so that the safety snapshot has their content.
 *
 * @param of The folder. Default: the folder that the user chooses.
 */
export async function undo(
  { folders, log, memory }: Context,
  direction: "undo" | "redo",
  of?: ProtectedFolder,
): Promise<void> {
  const folder = of ?? await pickFolder(folders);
  if (folder === undefined) return;
  const isUndo = direction === "undo";
  const name = isUndo ? "Undo Last Restore" : "Redo Restore";
  try {
    const { config } = folder;
    const preview = await folder.reader.call("previewRevert", {
      config,
      direction,
    });
    if (preview === undefined) {
      await remember(memory, folder, undefined);
      void showInformation(
        isUndo
          ? `There is no restore to undo in ${folder.name}.`
          : `There is no undone restore to redo in ${folder.name}.`,
      );
      return;
    }
    if (!await confirmRevert(folder, preview, direction)) return;
    await saveUnsaved(folder, preview);
    const report = await withProgress(
      name,
      (signal, onProgress) =>
        folder.exclusive(() =>
          markRestored(
            openFiles(folder),
            () =>
              folder.writer.call(direction, { config }, { signal, onProgress }),
          )
        ),
    );
    await remember(memory, folder, undefined);
    const word = isUndo ? "Undone" : "Redone";
    showReport(report, word, log, folder, "the last restore");
  } catch (error) {
    if (isCancelled(error)) {
      void offerRevert(
        `The ${direction} was cancelled. Some files might already be restored.`,
        isUndo ? "Redo" : "Undo",
        folder,
      );
      return;
    }
    log.error(`${folder.name}: ${direction} failed: ${explain(error)}`);
    void showFailure(`${name}: ${explain(error)}`, log);
  }
}

/**
 * Asks the user to confirm the changes of an undo or redo. Returns whether the
 * user agreed.
 */
async function confirmRevert(
  folder: ProtectedFolder,
  preview: RevertPreview,
  direction: "undo" | "redo",
): Promise<boolean> {
  const isUndo = direction === "undo";
  const work = isUndo ? "restore" : "undo";
  const { edited } = preview;
  const detail = [
    list(
      `with edits since the ${work}, which will be replaced or deleted`,
      edited,
    ),
    changesOf(preview),
    list("will be deleted", preview.deleted),
    ...warningsOf(folder, preview),
    "The current files are first saved to a safety snapshot " +
    `with the label "before ${isUndo ? "undoing" : "redoing"} \u2026". ` +
    `${isUndo ? "Redo Restore" : "Undo Last Restore"} brings them back.`,
  ].filter((part) => part !== "").join("\n\n");
  const agree = isUndo ? "Undo Restore" : "Redo Restore";
  const answer = await showWarning(
    isUndo
      ? `Undo the last restore in ${folder.name}?`
      : `Redo the restore in ${folder.name} that was undone?`,
    { modal: true, detail },
    agree,
  );
  return answer === agree;
}

/**
 * Returns the part of a question that lists the files to overwrite and to
 * create, and has the number of files of which only the mode, time, owner or
 * attributes will be restored.
 */
export function changesOf(
  { overwritten, created, touched }: RestorePreview,
): string {
  return [
    list("will be overwritten", overwritten),
    list("will be created", created),
    touched === 0
      ? ""
      : `${
        plural(touched, "file")
      }: only mode, time, owner or attributes will be restored.`,
  ].filter((part) => part !== "").join("\n\n");
}

/**
 * Returns the parts of a question that list the files with unsaved changes, and
 * the paths that cannot be restored.
 */
export function warningsOf(
  folder: ProtectedFolder,
  preview: RestorePreview,
): string[] {
  const dirty = unsaved(folder, preview).map(({ uri }) => pathIn(folder, uri));
  return [
    list("with unsaved changes, which will be saved first", dirty),
    list(
      "that cannot be restored",
      preview.failed.map(({ path, message }) => `${path}: ${message}`),
      "path",
    ),
  ];
}

/**
 * Asks the user to confirm the changes of a restore.
 *
 * @returns The user's choices; `"show"` if the user wants to see the changes
 * first; or `undefined` if the user refused or no file differs.
 */
async function confirm(
  folder: ProtectedFolder,
  info: SnapshotInfo,
  preview: RestorePreview,
  { paths, deleteOthers }: RestoreProposal,
): Promise<Partial<RestoreRequest> | "show" | undefined> {
  const { overwritten, created, deleted, touched } = preview;
  const written = [...overwritten, ...created];
  const what = whatOf(folder, paths);
  if (written.length + deleted.length + touched === 0) {
    const match = paths !== undefined && paths.length > 1 ? "match" : "matches";
    void showInformation(
      `Nothing to restore: ${what} already ${match} snapshot ${info.id}.`,
    );
    return undefined;
  }
  const detail = [
    changesOf(preview),
    list(
      deleteOthers === undefined
        ? 'not in the snapshot (deleted only by "Restore and Delete")'
        : "will be deleted",
      deleteOthers === false ? [] : deleted,
    ),
    ...warningsOf(folder, preview),
    overwritten.length + deleted.length + touched === 0
      ? "Undo Last Restore deletes the created files."
      : "The current files are first saved to a safety snapshot. Undo Last " +
        "Restore brings them back.",
  ].filter((part) => part !== "").join("\n\n");
  const restore = "Restore";
  const remove = `Restore and Delete ${plural(deleted.length, "File")}`;
  const choose = "Choose Files\u2026";
  const show = "Show Changes";
  const asks = deleteOthers === undefined && deleted.length > 0;
  const answer = await showWarning(
    `Restore ${what} as of ${formatMomentInText(info.time, Date.now())}?`,
    { modal: true, detail },
    ...(written.length + touched > 0 || !asks ? [restore] : []),
    ...(asks ? [remove] : []),
    ...(written.length > 1 ? [choose] : []),
    ...(written.length + deleted.length > 0 ? [show] : []),
  );
  if (answer === show) return "show";
  if (answer === restore) return { deleteOthers: deleteOthers === true };
  if (answer === remove) return { deleteOthers: true };
  if (answer === choose) return await chooseFiles(preview);
  return undefined;
}

/**
 * Returns the text that names the paths to restore in a message: the name of
 * the folder, the only path, or the number of paths.
 */
function whatOf(
  folder: ProtectedFolder,
  paths: readonly string[] | undefined,
): string {
  if (paths === undefined) return folder.name;
  return paths.length === 1 ? paths[0] : plural(paths.length, "path");
}

async function chooseFiles(
  { overwritten, created }: RestorePreview,
): Promise<Partial<RestoreRequest> | undefined> {
  const items = (
    paths: string[],
    title: string,
  ): (vscode.QuickPickItem & { path?: string })[] => [
    ...(paths.length > 0
      ? [{ label: title, kind: vscode.QuickPickItemKind.Separator }]
      : []),
    ...paths.map((path) => ({
      label: withoutIcons(path),
      picked: true,
      path,
    })),
  ];
  const chosen = await vscode.window.showQuickPick(
    [...items(overwritten, "overwritten"), ...items(created, "created")],
    {
      canPickMany: true,
      title: "Choose Files to Restore",
      placeHolder: "Type to find a path",
    },
  );
  if (chosen === undefined || chosen.length === 0) return undefined;
  const paths = chosen.flatMap(({ path }) => path === undefined ? [] : [path]);
  return { paths, deleteOthers: false };
}

/**
 * Returns the part of a question that lists paths: a line with the number of
 * paths and the title, and then up to `MAX_NAMED_PATHS` paths. Returns an empty
 * string if there are no paths.
 *
 * @param title The words that follow the number, such as "will be deleted".
 * @param noun The noun for one of the paths.
 */
export function list(
  title: string,
  paths: readonly string[],
  noun = "file",
): string {
  if (paths.length === 0) return "";
  const more = paths.length - MAX_NAMED_PATHS;
  return `${plural(paths.length, noun)} ${title}:\n` +
    paths.slice(0, MAX_NAMED_PATHS).map((path) => `  ${path}`).join("\n") +
    (more > 0 ? `\n  and ${more.toLocaleString("en")} more` : "");
}

/**
 * Logs and shows the result of a restore, undo or redo. The message has a
 * button that reverts the operation. If some paths could not be restored, the
 * message names the first one, and has a button that opens the log. In this
 * case, the button that reverts is missing if the operation changed nothing.
 *
 * @param word The operation: `Restored`, `Undone` or `Redone`.
 * @param what The words that follow the operation in the log, such as "the last
 * restore".
 */
export function showReport(
  { written, touched, deleted, failed }: RestoreReport,
  word: string,
  log: vscode.LogOutputChannel,
  folder: ProtectedFolder,
  what: string,
): void {
  const parts = [
    ...(written > 0 ? [`${plural(written, "file")} written`] : []),
    ...(deleted > 0 ? [`${plural(deleted, "path")} deleted`] : []),
    ...(written + deleted === 0 && touched > 0
      ? [`mode, time, owner or attributes of ${plural(touched, "path")}`]
      : []),
  ];
  const done = parts.length > 0 ? parts.join(", ") : "no files changed";
  log.info(`${folder.name}: ${word.toLowerCase()} ${what}: ${done}`);
  for (const { path, message } of failed) {
    log.warn(`${folder.name}: not restored: ${path}: ${message}`);
  }
  const revert = word === "Undone" ? "Redo" : "Undo";
  if (failed.length === 0) {
    void offerRevert(`${word}: ${done}.`, revert, folder);
    return;
  }
  const [{ path, message, advice }] = failed;
  const text = [
    `${word}: ${done}.`,
    `${plural(failed.length, "path")} could not be restored` +
    `${failed.length > 1 ? ". The first is " : ": "}${path}: ${message}.`,
    ...(advice === undefined ? [] : [`${advice}, and try again.`]),
  ].join(" ");
  void offerRevert(text, parts.length > 0 ? revert : undefined, folder, log);
}

/**
 * Shows a message. With `action`, the message has a button that undoes or
 * redoes the restore. With `log`, the message is a warning, and has a button
 * that opens the log.
 */
export async function offerRevert(
  message: string,
  action: "Undo" | "Redo" | undefined,
  folder: ProtectedFolder,
  log?: vscode.LogOutputChannel,
): Promise<void> {
  const showLog = "Show Log";
  const buttons = action === undefined ? [] : [action];
  const answer = log === undefined
    ? await showInformation(message, ...buttons)
    : await showWarning(message, ...buttons, showLog);
  if (answer === undefined) return;
  if (answer === showLog) log?.show();
  else {
    await vscode.commands.executeCommand(
      answer === "Undo" ? "deltar.undoRestore" : "deltar.redoRestore",
      folder,
    );
  }
}

async function isFile(uri: vscode.Uri): Promise<boolean> {
  try {
    const { type } = await vscode.workspace.fs.stat(uri);
    return (type & vscode.FileType.Directory) === 0;
  } catch {
    return true;
  }
}
