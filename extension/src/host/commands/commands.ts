import * as vscode from "vscode";
import type { RestoreRequest } from "../../shared/protocol.ts";
import type { EncryptedRepositories } from "../encryption/encrypted_repositories.ts";
import { ProtectedFolder } from "../folders/protected_folder.ts";
import type { S3Credentials } from "../folders/s3_credentials.ts";
import type { AutomaticSnapshots } from "../snapshots/automatic_snapshots.ts";
import type { SnapshotRunner } from "../snapshots/snapshot_runner.ts";
import { explain, isCancelled } from "../ui/explain.ts";
import { showInformation } from "../ui/messages.ts";
import { showFailure } from "../ui/notifications.ts";
import { fileUri, pathIn } from "../folders/version_uri.ts";
import type { BrowseNode } from "../views/browse_view.ts";
import type { ChangeNode, FolderNode } from "../views/change_rows.ts";
import { activeUri, type VersionNode } from "../views/history_view.ts";
import type { Node, SnapshotNode } from "../views/snapshots_view.ts";
import type { StatusBar } from "../views/status_bar.ts";
import type { TurnNode } from "../views/turn_rows.ts";
import { changedSince } from "./changed_since.ts";
import {
  compareSnapshots,
  compareWithFile,
  compareWithSnapshot,
  compareWithWorkspace,
  openChange,
  openSnapshotChanges,
  openVersion,
  openVersionChange,
} from "./compare.ts";
import type { Context } from "./context.ts";
import { askLabel, editLabel, removeSnapshots } from "./edit_snapshot.ts";
import { findDeleted } from "./find_deleted.ts";
import { pickFolder, pickSnapshot } from "./pick.ts";
import { pruneManually } from "./prune.ts";
import {
  carryOut,
  restore,
  restoreLines,
  restoreOpenVersion,
  restoreSnapshot,
  restoreUris,
  undo,
} from "./restore.ts";
import { searchHistory } from "./search_history.ts";
import { showSelectionHistory } from "./selection_history.ts";
import { showSkipped, showStatus } from "./show.ts";
import { undoTurn } from "./undo_turn.ts";
import { stepVersion } from "./version_steps.ts";

/** Additional parts of the extension that some commands use. */
export interface CommandParts {
  /** The part that takes snapshots. */
  runner: SnapshotRunner;
  /** The part that takes snapshots automatically. */
  automatic: AutomaticSnapshots;
  /** The status bar's item. */
  status: StatusBar;
  /** The credentials of repositories on S3. */
  credentials: S3Credentials;
  /** The part that creates encrypted repositories and asks for their keys. */
  encrypted: EncryptedRepositories;
}

/** The names of the commands that take a row of a view as their argument. */
const NEED_NODE = new Set([
  "openChange",
  "openVersionChange",
  "openSnapshotChanges",
  "openVersion",
  "openFileInSnapshot",
  "compareVersionWithFile",
  "compareChangeWithFile",
  "compareWithAnother",
  "restoreChange",
  "restoreFolder",
  "restoreVersion",
  "showRowHistory",
  "openBrowsed",
  "compareBrowsedWithFile",
  "restoreBrowsed",
  "editLabel",
  "removeSnapshot",
  "undoTurn",
]);

type Nodes<T> = [node?: T, all?: T[]];

/**
 * Registers all commands. Errors other than cancellations are logged and shown.
 */
export function registerCommands(
  context: Context,
  { runner, automatic, status, credentials, encrypted }: CommandParts,
): vscode.Disposable[] {
  const showPaused = () =>
    vscode.commands.executeCommand(
      "setContext",
      "deltar.isPaused",
      automatic.isPaused,
    );
  void showPaused();
  const setPaused = async (isPaused: boolean) => {
    await automatic.setPaused(isPaused);
    context.log.info(
      `automatic snapshots ${isPaused ? "are paused" : "are resumed"}`,
    );
    await showPaused();
  };
  const withFolder =
    (work: (folder: ProtectedFolder) => unknown) => async (given?: unknown) => {
      const folder = folderIn(given) ?? await pickFolder(context.folders);
      if (folder !== undefined) await work(folder);
    };
  const commands: Record<string, (...words: never[]) => unknown> = {
    snapshot: () => runner.takeManually(),
    snapshotWithLabel: async () => {
      const label = await askLabel("Label of the new snapshot");
      if (label !== undefined) await runner.takeManually(label || undefined);
    },
    showStatus: () => showStatus(context, status),
    showSkipped: () => showSkipped(context),
    showLog: () => context.log.show(),
    refresh: () => context.folders.refresh(),
    pause: () => setPaused(true),
    resume: () => setPaused(false),
    openChange: (node: ChangeNode) => openChange(node),
    openVersionChange: (node: VersionNode) => openVersionChange(node),
    openSnapshotChanges: (node: SnapshotNode) => openSnapshotChanges(node),
    openVersion: ({ folder, version }: VersionNode) =>
      openVersion(folder, version.path, version.id),
    openFileInSnapshot: async ({ folder, change, info }: ChangeNode) => {
      const isGone = change.change === "deleted";
      const id = isGone ? await folder.before(info) : info.id;
      await openVersion(folder, change.path, id ?? info.id);
    },
    compareVersionWithFile: ({ folder, path, version }: VersionNode) =>
      compareWithFile(folder, path, version),
    compareChangeWithFile: ({ folder, change, info }: ChangeNode) =>
      compareWithFile(folder, change.path, info),
    compareWithSnapshot: (uri?: vscode.Uri) =>
      compareWithSnapshot(context, uri),
    compareSnapshots: (...[node, all]: Nodes<SnapshotNode>) =>
      compareSnapshots(context, snapshotsAmong(all ?? (node ? [node] : []))),
    compareWithAnother: (node: SnapshotNode) =>
      compareSnapshots(context, [node]),
    compareWithWorkspace: (node?: SnapshotNode) =>
      compareWithWorkspace(context, node),
    showHistory: async (uri?: vscode.Uri) => {
      const file = uri ?? activeUri();
      if (file !== undefined) await showHistory(context, file);
    },
    showFolderHistory: (uri: vscode.Uri) => showHistory(context, uri),
    showRowHistory: (
      { folder, ...row }: ChangeNode | FolderNode | BrowseNode,
    ) =>
      showHistory(
        context,
        fileUri(folder, "change" in row ? row.change.path : row.path),
      ),
    changedSince: () => changedSince(context),
    previousVersion: () => stepVersion(context, -1),
    nextVersion: () => stepVersion(context, 1),
    browseSnapshot: async (node?: SnapshotNode) => {
      const folder = node?.folder ?? await pickFolder(context.folders);
      const info = node?.info ??
        (folder && await pickSnapshot(folder, "Choose a snapshot to browse"));
      if (folder && info) await context.browse.show(folder, info);
    },
    closeBrowse: () => context.browse.close(),
    openBrowsed: ({ folder, info, path }: BrowseNode) =>
      openVersion(folder, path, info.id),
    compareBrowsedWithFile: ({ folder, info, path }: BrowseNode) =>
      compareWithFile(folder, path, info),
    restoreBrowsed: (...[node, all]: Nodes<BrowseNode>) => {
      const nodes = all ?? (node ? [node] : []);
      if (nodes.length === 0) return;
      const [{ folder, info }] = nodes;
      const paths = nodes.map(({ path }) => path);
      return restore(context, folder, { id: info.id, paths });
    },
    searchHistory: (uri?: vscode.Uri) => searchHistory(context, uri),
    searchShownHistory: () => searchHistory(context, context.history.shown),
    showSelectionHistory: () => showSelectionHistory(context),
    editLabel: (node: SnapshotNode) => editLabel(node),
    removeSnapshot: (...[node, all]: Nodes<SnapshotNode>) =>
      removeSnapshots(context, snapshotsAmong(all ?? (node ? [node] : []))),
    findDeleted: () => findDeleted(context),
    restoreSnapshot: (node?: SnapshotNode) => restoreSnapshot(context, node),
    restoreFolder: (...[node, all]: Nodes<Node>) =>
      restoreLines(context, all ?? (node ? [node] : [])),
    restoreChange: (...[node, all]: Nodes<Node>) =>
      restoreLines(context, all ?? (node ? [node] : [])),
    restoreVersion: ({ folder, version }: VersionNode) =>
      restore(context, folder, { id: version.id, paths: [version.path] }),
    restoreOpenVersion: (uri?: vscode.Uri) => restoreOpenVersion(context, uri),
    restoreFile: (uri?: vscode.Uri, all?: vscode.Uri[]) =>
      restoreUris(context, all ?? (uri ? [uri] : [])),
    undoRestore: (folder?: unknown) => undo(context, "undo", folderIn(folder)),
    finishRestore: (folder: ProtectedFolder, request: RestoreRequest) =>
      carryOut(context, folder, request),
    redoRestore: (folder?: unknown) => undo(context, "redo", folderIn(folder)),
    undoTurn: (node: TurnNode) => undoTurn(context, node),
    prune: () => pruneManually(context),
    setCredentials: () => credentials.ask(),
    forgetCredentials: () => credentials.forget(),
    createEncrypted: withFolder(async (folder) => {
      if (await encrypted.create(folder)) await runner.takeManually();
    }),
    enterKey: withFolder((folder) => encrypted.enterKey(folder)),
    forgetKey: withFolder((folder) => encrypted.forgetKey(folder)),
    addPassphrase: withFolder((folder) => encrypted.addPassphrase(folder)),
    saveRecoverySheet: withFolder((folder) => encrypted.saveSheet(folder)),
  };
  return Object.entries(commands).map(([name, run]) =>
    vscode.commands.registerCommand(
      `deltar.${name}`,
      async (...words: never[]) => {
        try {
          if (NEED_NODE.has(name) && words[0] === undefined) {
            // VS Code passes no row while the list is being reloaded.
            void showInformation(
              "The list has just changed. Choose the row again.",
            );
            return;
          }
          return await run(...words);
        } catch (error) {
          if (isCancelled(error)) return;
          context.log.error(`${name}: ${explain(error)}`);
          void showFailure(explain(error), context.log);
        }
      },
    )
  );
}

/**
 * Returns the argument of a command if the argument is a `ProtectedFolder`. VS
 * Code can pass other arguments, which are ignored.
 */
function folderIn(given: unknown): ProtectedFolder | undefined {
  return given instanceof ProtectedFolder ? given : undefined;
}

/**
 * Shows the versions of a file or folder. For the workspace folder itself,
 * shows the list of snapshots.
 */
async function showHistory(
  { folders, history }: Context,
  uri: vscode.Uri,
): Promise<void> {
  const folder = folders.of(uri);
  if (folder !== undefined && pathIn(folder, uri) === "") {
    await vscode.commands.executeCommand("deltar.snapshots.focus");
  } else await history.show(uri);
}

function snapshotsAmong(nodes: readonly SnapshotNode[]): SnapshotNode[] {
  return nodes.filter(({ kind }) => kind === "snapshot");
}
