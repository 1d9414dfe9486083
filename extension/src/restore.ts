import * as vscode from "vscode";
import type { Context } from "./context.ts";
import { explain, isCancelled } from "./explain.ts";
import type { Guard } from "./guard.ts";
import { activeUri } from "./history_view.ts";
import { pickGuard, pickSnapshot, pickVersion } from "./pick.ts";
import type {
  RestorePlan,
  RestoreReport,
  RestoreWish,
  SnapshotInfo,
} from "./protocol.ts";
import type { Node, SnapshotNode } from "./snapshots_view.ts";
import { tellFailure, withProgress } from "./take.ts";
import { formatMoment, plural } from "./text.ts";
import { remember } from "./unfinished.ts";
import { unsaved } from "./unsaved.ts";
import { pathIn } from "./versions.ts";

/** As many paths are named in a question as one reads. */
const NAMED = 8;

/**
 * Files and folders of the tree: as they were after their snapshot, or before
 * they went. Each snapshot that is restored from has its own question.
 */
export async function restoreLines(
  context: Context,
  nodes: readonly Node[],
): Promise<void> {
  const wishes = new Map<
    string,
    { guard: Guard; id: string; paths: string[] }
  >();
  for (const node of nodes) {
    if (node.kind !== "change" && node.kind !== "folder") continue;
    const { guard, info } = node;
    const changes = node.kind === "change" ? [node.change] : node.changes;
    const isGone = changes.every(({ change }) => change === "deleted");
    const id = isGone ? await guard.before(info) : info.id;
    if (id === undefined) continue;
    const key = `${guard.folder.uri} ${id}`;
    const wish = wishes.get(key) ?? { guard, id, paths: [] };
    wish.paths.push(node.kind === "change" ? node.change.path : node.path);
    wishes.set(key, wish);
  }
  const newestFirst = [...wishes.values()].sort((a, b) => a.id < b.id ? 1 : -1);
  for (const { guard, id, paths } of newestFirst) {
    await restore(context, guard, { id, paths });
  }
}

/** A whole snapshot. */
export async function restoreSnapshot(
  context: Context,
  node: SnapshotNode | undefined,
): Promise<void> {
  const guard = node?.guard ?? await pickGuard(context.guards);
  const info = node?.info ??
    (guard && await pickSnapshot(guard, "Restore which snapshot?"));
  if (guard === undefined || info === undefined) return;
  await restore(context, guard, { id: info.id });
}

/** Files or folders that were chosen in the explorer, or the open file. */
export async function restoreUris(
  context: Context,
  chosen: readonly vscode.Uri[],
): Promise<void> {
  const open = activeUri();
  const uris = chosen.length > 0 ? chosen : open ? [open] : [];
  const guard = uris[0] && context.guards.of(uris[0]);
  if (guard === undefined) {
    void vscode.window.showInformationMessage(
      "Choose a file or folder of the workspace to restore.",
    );
    return;
  }
  const paths = uris.filter((uri) => context.guards.of(uri) === guard)
    .map((uri) => pathIn(guard, uri));
  if (paths.includes("")) {
    return await restoreSnapshot(context, undefined);
  }
  const version = paths.length === 1 && await isFile(uris[0])
    ? await pickVersion(guard, paths[0], "Restore which version?")
    : await pickSnapshot(guard, "Restore from which snapshot?");
  if (version !== undefined) {
    await restore(context, guard, { id: version.id, paths });
  }
}

/** A request to restore without a question in between. */
export interface RestoreRequest {
  /** The snapshot. */
  id: string;
  /** Files and folders; all of them if left out. */
  paths?: string[];
  /**
   * Whether files that the snapshot does not hold go; else the user is asked.
   */
  deleteOthers?: boolean;
}

/**
 * Restores after the user has seen what will happen. Unsaved editors are saved
 * first, so that the safety snapshot holds what is in them.
 *
 * @returns What was done, or nothing if the user refused.
 */
export async function restore(
  context: Context,
  guard: Guard,
  request: RestoreRequest,
): Promise<RestoreReport | undefined> {
  const { log } = context;
  if (!vscode.workspace.isTrusted) {
    void vscode.window.showWarningMessage(
      "Files are restored in trusted workspaces only.",
    );
    return undefined;
  }
  const { id } = request;
  const info = (await guard.snapshots()).find((one) => one.id === id);
  if (info === undefined) {
    void vscode.window.showErrorMessage("This snapshot is not there any more.");
    return undefined;
  }
  const paths = request.paths;
  let wish: RestoreWish = { id, deleteOthers: true, ...(paths && { paths }) };
  try {
    const place = guard.place;
    const plan = await guard.reader.call("plan", { place, wish });
    const chosen = await confirm(guard, info, plan, request);
    if (chosen === undefined) return undefined;
    wish = { ...wish, ...chosen };
    for (const { uri, save } of unsaved(guard, plan)) {
      if (await save()) continue;
      throw new Error(
        `${uri.fsPath} could not be saved, so nothing was restored`,
      );
    }
    return await carryOut(context, guard, wish);
  } catch (error) {
    if (isCancelled(error)) {
      await remember(context.memory, guard, undefined);
      void offerUndo("The restore was stopped part of the way.", "Undo");
      return undefined;
    }
    log.error(`${guard.folder.name}: restoring failed: ${explain(error)}`);
    void tellFailure(`Restoring failed: ${explain(error)}`, log);
    return undefined;
  }
}

/** Restores without a question; if it is cut short, that is remembered. */
export async function carryOut(
  { log, memory }: Context,
  guard: Guard,
  wish: RestoreWish,
): Promise<RestoreReport> {
  const place = guard.place;
  await remember(memory, guard, wish);
  let report: RestoreReport | undefined;
  await withProgress("Restoring", async (signal, onProgress) => {
    report = await guard.exclusive(() =>
      guard.writer.call("restore", { place, wish }, { signal, onProgress })
    );
  });
  await remember(memory, guard, undefined);
  const { paths, id } = wish;
  tell(
    report!,
    "Restored",
    log,
    guard,
    [
      ...(paths
        ? [paths.length > NAMED ? "some paths" : paths.join(", ")]
        : []),
      `from snapshot ${id}`,
    ].join(" "),
  );
  return report!;
}

/** Brings back what was there before the last restore; or takes that back. */
export async function undo(
  { guards, log, memory }: Context,
  direction: "undo" | "redo",
  of?: Guard,
): Promise<void> {
  const guard = of ?? await pickGuard(guards);
  if (guard === undefined) return;
  const name = direction === "undo" ? "Undo Last Restore" : "Redo Restore";
  try {
    let report: RestoreReport | undefined;
    await withProgress(name, async (signal, onProgress) => {
      const place = guard.place;
      report = await guard.exclusive(() =>
        guard.writer.call(direction, { place }, { signal, onProgress })
      );
    });
    await remember(memory, guard, undefined);
    const word = direction === "undo" ? "Undone" : "Redone";
    tell(report!, word, log, guard, "the last restore");
  } catch (error) {
    if (isCancelled(error)) return;
    log.error(`${guard.folder.name}: ${direction} failed: ${explain(error)}`);
    void tellFailure(`${name}: ${explain(error)}`, log);
  }
}

/** Shows what will happen; gives what the user wants of it. */
async function confirm(
  guard: Guard,
  info: SnapshotInfo,
  plan: RestorePlan,
  { paths, deleteOthers }: RestoreRequest,
): Promise<Partial<RestoreWish> | undefined> {
  const { overwritten, created, deleted, touched } = plan;
  const written = [...overwritten, ...created];
  if (written.length + deleted.length + touched === 0) {
    void vscode.window.showInformationMessage(
      "Everything is as it was in this snapshot already.",
    );
    return undefined;
  }
  const dirty = unsaved(guard, plan).map(({ uri }) => pathIn(guard, uri));
  const what = paths?.length === 1
    ? paths[0]
    : paths === undefined
    ? guard.folder.name
    : plural(paths.length, "path");
  const detail = [
    list("overwritten", overwritten),
    list("created", created),
    touched === 0
      ? ""
      : `${
        plural(touched, "file")
      } the same but for mode or time, which is set.`,
    list(
      deleteOthers === undefined
        ? "not in the snapshot, and deleted only if you say so"
        : "deleted",
      deleteOthers === false ? [] : deleted,
    ),
    list("saved first, since it has unsaved changes", dirty),
    "A safety snapshot of what is there is taken before; Undo Last " +
    "Restore brings it back.",
  ].filter((part) => part !== "").join("\n\n");
  const restore = "Restore";
  const remove = `Restore and Delete ${plural(deleted.length, "File")}`;
  const choose = "Choose Files\u2026";
  const asks = deleteOthers === undefined && deleted.length > 0;
  const answer = await vscode.window.showWarningMessage(
    `Restore ${what} as of ${formatMoment(info.time, Date.now())}?`,
    { modal: true, detail },
    ...(written.length + touched > 0 || !asks ? [restore] : []),
    ...(asks ? [remove] : []),
    ...(written.length > 1 ? [choose] : []),
  );
  if (answer === restore) return { deleteOthers: deleteOthers === true };
  if (answer === remove) return { deleteOthers: true };
  if (answer === choose) return await chooseFiles(plan);
  return undefined;
}

async function chooseFiles(
  { overwritten, created }: RestorePlan,
): Promise<Partial<RestoreWish> | undefined> {
  const items = (paths: string[], title: string) => [
    ...(paths.length > 0
      ? [{ label: title, kind: vscode.QuickPickItemKind.Separator }]
      : []),
    ...paths.map((path) => ({ label: path, picked: true })),
  ];
  const chosen = await vscode.window.showQuickPick(
    [...items(overwritten, "overwritten"), ...items(created, "created")],
    {
      canPickMany: true,
      title: "Restore these files",
      placeHolder: "Type to find a path",
    },
  );
  if (chosen === undefined || chosen.length === 0) return undefined;
  return { paths: chosen.map(({ label }) => label), deleteOthers: false };
}

/** Paths in a question: a count, and the first of them. */
function list(title: string, paths: readonly string[]): string {
  if (paths.length === 0) return "";
  const more = paths.length - NAMED;
  return `${plural(paths.length, "file")} ${title}:\n` +
    paths.slice(0, NAMED).map((path) => `  ${path}`).join("\n") +
    (more > 0 ? `\n  and ${more.toLocaleString("en")} more` : "");
}

function tell(
  { written, touched, deleted, failed }: RestoreReport,
  word: string,
  log: vscode.LogOutputChannel,
  guard: Guard,
  what: string,
): void {
  const done = [
    ...(written > 0 ? [`${plural(written, "file")} written`] : []),
    ...(deleted > 0 ? [`${plural(deleted, "path")} deleted`] : []),
    ...(written + deleted === 0
      ? [`mode and time of ${plural(touched, "path")}`]
      : []),
  ].join(", ");
  log.info(`${guard.folder.name}: ${word.toLowerCase()} ${what}: ${done}`);
  for (const { path, message } of failed) {
    log.warn(`${guard.folder.name}: not restored: ${path}: ${message}`);
  }
  if (failed.length > 0) {
    const [{ path, message }] = failed;
    void tellFailure(
      `${word}: ${done}. ${plural(failed.length, "path")} could not be ` +
        `restored; the first is ${path}: ${message}`,
      log,
    );
  } else {
    void offerUndo(`${word}: ${done}.`, word === "Undone" ? "Redo" : "Undo");
  }
}

async function offerUndo(message: string, way: "Undo" | "Redo"): Promise<void> {
  const answer = await vscode.window.showInformationMessage(message, way);
  if (answer === undefined) return;
  await vscode.commands.executeCommand(
    way === "Undo" ? "deltar.undoRestore" : "deltar.redoRestore",
  );
}

async function isFile(uri: vscode.Uri): Promise<boolean> {
  try {
    const { type } = await vscode.workspace.fs.stat(uri);
    return (type & vscode.FileType.Directory) === 0;
  } catch {
    return true;
  }
}
