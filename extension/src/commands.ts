import * as vscode from "vscode";
import type { Automatic } from "./automatic.ts";
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
import { explain, isCancelled } from "./explain.ts";
import { findDeleted } from "./find_deleted.ts";
import { activeUri, type VersionNode } from "./history_view.ts";
import type { Keys } from "./keys.ts";
import { Guard } from "./guard.ts";
import type { RestoreWish } from "./protocol.ts";
import {
  carryOut,
  restore,
  restoreLines,
  restoreSnapshot,
  restoreUris,
  undo,
} from "./restore.ts";
import { pruneByHand } from "./retention.ts";
import { showSkipped, showStatus } from "./show.ts";
import type { ChangeNode, Node, SnapshotNode } from "./snapshots_view.ts";
import type { StatusBar } from "./status_bar.ts";
import { type Taker, tellFailure } from "./take.ts";

/** Further parts that some commands need. */
export interface Parts {
  /** It takes snapshots. */
  taker: Taker;
  /** It takes them unasked. */
  automatic: Automatic;
  /** It says how well the workspace is protected. */
  status: StatusBar;
  /** The keys of S3. */
  keys: Keys;
}

/** Commands that are about a line of a view. */
const OF_A_LINE = new Set([
  "openChange",
  "openVersionChange",
  "openSnapshotChanges",
  "openVersion",
  "openFileInSnapshot",
  "compareVersionWithFile",
  "compareChangeWithFile",
  "restoreChange",
  "restoreFolder",
  "restoreVersion",
]);

type Nodes<T> = [node?: T, all?: T[]];

/** Registers all commands; what goes wrong in one is told the user. */
export function registerCommands(
  context: Context,
  { taker, automatic, status, keys }: Parts,
): vscode.Disposable[] {
  const setPaused = (isPaused: boolean) => {
    automatic.isPaused = isPaused;
    context.log.info(
      `automatic snapshots ${isPaused ? "are paused" : "go on"}`,
    );
    status.update();
    void vscode.commands.executeCommand(
      "setContext",
      "deltar.isPaused",
      isPaused,
    );
  };
  const commands: Record<string, (...words: never[]) => unknown> = {
    snapshot: () => taker.byHand(),
    snapshotWithLabel: async () => {
      const label = await vscode.window.showInputBox({
        prompt: "What to call the snapshot",
        placeHolder: "before the refactoring",
      });
      if (label !== undefined) await taker.byHand(label.trim() || undefined);
    },
    showStatus: () => showStatus(context, status),
    showSkipped: () => showSkipped(context),
    showLog: () => context.log.show(),
    refresh: () => context.guards.refresh(),
    pause: () => setPaused(true),
    resume: () => setPaused(false),
    openChange: (node: ChangeNode) => openChange(node),
    openVersionChange: (node: VersionNode) => openVersionChange(node),
    openSnapshotChanges: (node: SnapshotNode) => openSnapshotChanges(node),
    openVersion: ({ guard, path, version }: VersionNode) =>
      openVersion(guard, path, version.id),
    openFileInSnapshot: async ({ guard, change, info }: ChangeNode) => {
      const isGone = change.change === "deleted";
      const id = isGone ? await guard.before(info) : info.id;
      await openVersion(guard, change.path, id ?? info.id);
    },
    compareVersionWithFile: ({ guard, path, version }: VersionNode) =>
      compareWithFile(guard, path, version),
    compareChangeWithFile: ({ guard, change, info }: ChangeNode) =>
      compareWithFile(guard, change.path, info),
    compareWithSnapshot: (uri?: vscode.Uri) =>
      compareWithSnapshot(context, uri),
    compareSnapshots: (...[node, all]: Nodes<SnapshotNode>) =>
      compareSnapshots(context, snapshotsAmong(all ?? (node ? [node] : []))),
    compareWithWorkspace: (node?: SnapshotNode) =>
      compareWithWorkspace(context, node),
    showHistory: async (uri?: vscode.Uri) => {
      const file = uri ?? activeUri();
      if (file !== undefined) await context.history.show(file);
    },
    findDeleted: () => findDeleted(context),
    restoreSnapshot: (node?: SnapshotNode) => restoreSnapshot(context, node),
    restoreFolder: (...[node, all]: Nodes<Node>) =>
      restoreLines(context, all ?? (node ? [node] : [])),
    restoreChange: (...[node, all]: Nodes<Node>) =>
      restoreLines(context, all ?? (node ? [node] : [])),
    restoreVersion: ({ guard, path, version }: VersionNode) =>
      restore(context, guard, { id: version.id, paths: [path] }),
    restoreFile: (uri?: vscode.Uri, all?: vscode.Uri[]) =>
      restoreUris(context, all ?? (uri ? [uri] : [])),
    undoRestore: (guard?: unknown) =>
      undo(context, "undo", guard instanceof Guard ? guard : undefined),
    finishRestore: (guard: Guard, wish: RestoreWish) =>
      carryOut(context, guard, wish),
    redoRestore: () => undo(context, "redo"),
    prune: () => pruneByHand(context),
    setCredentials: () => keys.ask(),
    forgetCredentials: () => keys.forget(),
  };
  return Object.entries(commands).map(([name, run]) =>
    vscode.commands.registerCommand(
      `deltar.${name}`,
      async (...words: never[]) => {
        try {
          if (OF_A_LINE.has(name) && words[0] === undefined) {
            // VS Code forgets the lines of a list while it is made again.
            void vscode.window.showInformationMessage(
              "The list has just changed. Choose the line again.",
            );
            return;
          }
          return await run(...words);
        } catch (error) {
          if (isCancelled(error)) return;
          context.log.error(`${name}: ${explain(error)}`);
          void tellFailure(explain(error), context.log);
        }
      },
    )
  );
}

function snapshotsAmong(nodes: readonly SnapshotNode[]): SnapshotNode[] {
  return nodes.filter(({ kind }) => kind === "snapshot");
}
