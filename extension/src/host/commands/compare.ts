import * as vscode from "vscode";
import type {
  FileChange,
  RestorePreview,
  SnapshotInfo,
} from "../../shared/protocol.ts";
import type { ProtectedFolder } from "../folders/protected_folder.ts";
import { fileUri, versionUri } from "../folders/version_uri.ts";
import { showInformation } from "../ui/messages.ts";
import { withProgress } from "../ui/notifications.ts";
import { formatMoment, formatMomentInText } from "../ui/text.ts";
import type { ChangeNode } from "../views/change_rows.ts";
import type { VersionNode } from "../views/history_view.ts";
import {
  areTooLarge,
  isTooLarge,
  largeUri,
  type Sides,
} from "../views/large_files.ts";
import type { SnapshotNode } from "../views/snapshots_view.ts";
import type { Context } from "./context.ts";
import { pickFolder, pickSnapshot, pickVersion } from "./pick.ts";
import { workspaceFile } from "./workspace_file.ts";

/** The maximum number of files in the multi-file diff editor. */
const MAX_FILES = 1000;

const moment = ({ time }: { time: number }) => formatMoment(time, Date.now());

/**
 * Compares a file in a snapshot with the same file in the previous snapshot.
 * Both sides are read-only. For a safety snapshot, opens the snapshot's version
 * of the file instead.
 */
export async function openChange(
  { folder, info, change }: ChangeNode,
): Promise<void> {
  if (info.isSafety) return await openVersion(folder, change.path, info.id);
  const before = await folder.before(info);
  const [left, right] = sides(folder, before, info.id, change);
  await openDiff(left, right, `${nameOf(change.path)} (${moment(info)})`);
}

/**
 * Compares a version of a file with the previous version.
 *
 * @param line The number of the line to show, counted from 1. Default: the line
 * of the first change.
 */
export async function openVersionChange(
  { folder, version, before }: Pick<
    VersionNode,
    "folder" | "version" | "before"
  >,
  line?: number,
): Promise<void> {
  const { path } = version;
  const id = (of: typeof before) => of?.size === undefined ? undefined : of.id;
  await openDiff(
    versionUri(folder, id(before), before?.path ?? path),
    versionUri(folder, id(version), path),
    `${nameOf(path)} (${moment(version)})`,
    line,
  );
}

/**
 * Compares a version of a file with the current file.
 *
 * @param path The current path of the file.
 * @param version The version. Its `path` is the path of the file in the
 * snapshot. Default: the current path.
 */
export async function compareWithFile(
  folder: ProtectedFolder,
  path: string,
  version: { id: string; time: number; path?: string },
): Promise<void> {
  const file = fileUri(folder, path);
  if (await lacksContent(file)) {
    void showInformation(
      `${path} is now a pipe, a device or a broken link, so there is no ` +
        "content to compare.",
    );
    return;
  }
  await openDiff(
    versionUri(folder, version.id, version.path ?? path),
    file,
    `${nameOf(path)} (${moment(version)} \u2194 Now)`,
  );
}

/** Compares a file with a version that the user chooses. */
export async function compareWithSnapshot(
  context: Context,
  uri?: vscode.Uri,
): Promise<void> {
  const file = workspaceFile(context, uri, "compare it with a snapshot");
  if (file === undefined) return;
  const { folder, path } = file;
  const version = await pickVersion(
    folder,
    path,
    "Choose a version to compare with the current file",
  );
  if (version !== undefined) await compareWithFile(folder, path, version);
}

/**
 * Opens a version in an editor. The title of the editor has the time of the
 * snapshot.
 *
 * @param line The number of the line to select, counted from 1. Default: none.
 */
export async function openVersion(
  folder: ProtectedFolder,
  path: string,
  id: string,
  line?: number,
): Promise<void> {
  const uri = versionUri(folder, id, path);
  const info = [...folder.listed, ...folder.safetySnapshots]
    .find((one) => one.id === id);
  const title = info && `${nameOf(path)} (${moment(info)})`;
  if (line === undefined) await openDiff(undefined, uri, title);
  else {
    const selection = new vscode.Range(line - 1, 0, line, 0);
    await vscode.commands.executeCommand(
      "vscode.open",
      uri,
      { selection },
      title,
    );
  }
}

/** Compares a snapshot with the previous snapshot, and opens all changes. */
export async function openSnapshotChanges(
  { folder, info: { id } }: { folder: ProtectedFolder; info: { id: string } },
): Promise<void> {
  const info = (await folder.snapshots()).find((one) => one.id === id);
  if (info === undefined) return;
  const before = await folder.before(info);
  const when = formatMomentInText(info.time, Date.now());
  await openChanges(folder, before, info, `Snapshot of ${when}`);
}

/**
 * Compares two snapshots of a folder: the first two in `nodes`. Asks the user
 * for each one that is missing, and for the second one if it is of another
 * folder.
 */
export async function compareSnapshots(
  { folders }: Context,
  nodes: readonly SnapshotNode[],
): Promise<void> {
  let [one, two] = nodes;
  if (one === undefined) {
    const folder = await pickFolder(folders);
    const info = folder &&
      await pickSnapshot(folder, "Choose the first snapshot");
    if (folder === undefined || info === undefined) return;
    one = { kind: "snapshot", folder, info };
  }
  const { folder } = one;
  if (two === undefined || two.folder !== folder) {
    const info = await pickSnapshot(
      folder,
      "Choose the second snapshot",
      one.info.id,
    );
    if (info === undefined) return;
    two = { kind: "snapshot", folder, info };
  }
  const [before, after] = one.info.id < two.info.id
    ? [one.info, two.info]
    : [two.info, one.info];
  const named = (info: SnapshotInfo) => info.label ?? moment(info);
  const title = `${named(before)} \u2194 ${named(after)}`;
  await openChanges(folder, before.id, after, title);
}

/**
 * Takes a snapshot of a folder, and compares an older snapshot with the new
 * one.
 */
export async function compareWithWorkspace(
  { folders }: Context,
  node: Pick<SnapshotNode, "folder" | "info"> | undefined,
): Promise<void> {
  const folder = node?.folder ?? await pickFolder(folders);
  const info = node?.info ??
    (folder && await pickSnapshot(
      folder,
      "Choose a snapshot to compare with the current files",
    ));
  if (folder === undefined || info === undefined) return;
  const [snapshot, changes] = await withProgress(
    `Comparing ${folder.name} with a snapshot`,
    async (signal, onProgress) => {
      const options = { signal, onProgress };
      const { snapshot } = await folder.snapshot(undefined, options);
      const ids = { before: info.id, after: snapshot.id };
      const { config } = folder;
      return [
        snapshot,
        await folder.reader.call("compare", { config, ...ids }, { signal }),
      ];
    },
  );
  const title = `${info.label ?? moment(info)} \u2194 Now`;
  await openList(folder, changes, title, (change) => {
    const [left] = sides(folder, info.id, snapshot.id, change);
    if (change.change === "deleted") return [left, undefined];
    // VS Code would wait for data if it opened a pipe or a device, so the
    // version in the snapshot is opened instead.
    const right = change.special === undefined
      ? fileUri(folder, change.path)
      : versionUri(folder, snapshot.id, change.path);
    return [left, right];
  });
}

/** Shows the changes that a restore would make to the current files. */
export async function openRestoreChanges(
  folder: ProtectedFolder,
  info: SnapshotInfo,
  { overwritten, created, deleted }: RestorePreview,
): Promise<void> {
  const sidesOf = (path: string): Sides => [
    fileUri(folder, path),
    versionUri(folder, info.id, path),
  ];
  const all = [
    ...overwritten.map(sidesOf),
    ...created.map((path): Sides => [undefined, sidesOf(path)[1]]),
    ...deleted.map((path): Sides => [sidesOf(path)[0], undefined]),
  ];
  const entries: DiffResource[] = [];
  for (const [left, right] of all.slice(0, MAX_FILES)) {
    // VS Code would wait for data if it opened a pipe or a device.
    const old = left && await lacksContent(left) ? undefined : left;
    if (await areTooLarge([old, right])) {
      const text = await largeUri([old, right]);
      entries.push([text, undefined, text]);
    } else if (old || right) entries.push([old ?? right, old, right]);
  }
  await showChanges(
    `Now \u2194 ${moment(info)}`,
    entries,
    // Pipes and devices without content on either side have no entry.
    all.length > MAX_FILES ? all.length : entries.length,
  );
}

async function openChanges(
  folder: ProtectedFolder,
  before: string | undefined,
  after: SnapshotInfo,
  title: string,
): Promise<void> {
  const config = folder.config;
  const changes = await folder.reader.call("compare", {
    config,
    before,
    after: after.id,
  });
  await openList(
    folder,
    changes,
    title,
    (change) => sides(folder, before, after.id, change),
  );
}

/**
 * Shows changes, except those of metadata alone, in the multi-file diff editor.
 * If there are no other changes, shows a message instead.
 */
async function openList(
  folder: ProtectedFolder,
  all: readonly FileChange[],
  title: string,
  sidesOf: (change: FileChange) => Sides,
): Promise<void> {
  const changes = all.filter(({ change }) => change !== "touched");
  if (changes.length === 0) {
    void showInformation(
      all.length === 0
        ? "There are no differences."
        : "Only modes, times, owners, attributes or hard links differ. The " +
          "contents are the same.",
    );
    return;
  }
  await showChanges(
    title,
    await Promise.all(
      changes.slice(0, MAX_FILES).map(async (change): Promise<DiffResource> => {
        const [left, right] = sidesOf(change);
        if (isTooLarge(Math.max(change.size, change.oldSize ?? 0))) {
          const text = await largeUri([left, right]);
          return [text, undefined, text];
        }
        // VS Code can open the first URI as the current file. If that file were
        // a pipe or a device, VS Code would wait for data.
        const file = change.special === undefined
          ? fileUri(folder, change.path)
          : right ?? left;
        return [file, left, right];
      }),
    ),
    changes.length,
  );
}

/**
 * An entry of the multi-file diff editor: the URI of the file, and the URIs of
 * its old and new content.
 */
type DiffResource = [vscode.Uri | undefined, ...Sides];

/**
 * Shows files in the multi-file diff editor.
 *
 * @param entries The files to show.
 * @param count The total number of files, which can be larger than the number
 * of entries.
 */
async function showChanges(
  title: string,
  entries: readonly DiffResource[],
  count: number,
): Promise<void> {
  await vscode.commands.executeCommand(
    "vscode.changes",
    count > entries.length
      ? `${title} (the first ${entries.length} of ${count} files)`
      : title,
    entries,
  );
}

/** Returns the URIs of a file before and after a change. */
function sides(
  folder: ProtectedFolder,
  before: string | undefined,
  after: string,
  { change, path, from }: FileChange,
): Sides {
  const isNew = change === "created" || before === undefined;
  return [
    isNew ? undefined : versionUri(folder, before, from ?? path),
    change === "deleted" ? undefined : versionUri(folder, after, path),
  ];
}

async function openDiff(
  left: vscode.Uri | undefined,
  right: vscode.Uri | undefined,
  title: string | undefined,
  line?: number,
): Promise<void> {
  if (await areTooLarge([left, right])) {
    const text = await largeUri([left, right]);
    await vscode.commands.executeCommand("vscode.open", text, {}, title);
  } else if (left !== undefined && right !== undefined) {
    await vscode.commands.executeCommand("vscode.diff", left, right, title, {
      ...line !== undefined && {
        selection: new vscode.Range(line - 1, 0, line - 1, 0),
      },
    });
  } else {
    const file = left ?? right;
    await vscode.commands.executeCommand("vscode.open", file, {}, title);
  }
}

/**
 * Returns whether a URI refers to a pipe, a device or a broken symlink. VS Code
 * must not open a pipe or a device, because it would wait for data.
 */
async function lacksContent(uri: vscode.Uri): Promise<boolean> {
  try {
    const { type } = await vscode.workspace.fs.stat(uri);
    return (type & ~vscode.FileType.SymbolicLink) === vscode.FileType.Unknown;
  } catch {
    return false;
  }
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
