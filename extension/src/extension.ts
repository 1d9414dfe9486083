import * as vscode from "vscode";
import type { DeltarExports } from "./api.ts";
import { Automatic } from "./automatic.ts";
import { registerCommands } from "./commands.ts";
import type { Context } from "./context.ts";
import { ChangeDecorations } from "./decorations.ts";
import { Engine } from "./engine.ts";
import { Guards } from "./guards.ts";
import { HistoryView } from "./history_view.ts";
import { Journal } from "./journal.ts";
import { Keys } from "./keys.ts";
import { Api, makeExports } from "./make_api.ts";
import { Neighbours } from "./neighbours.ts";
import { offerToFinish } from "./unfinished.ts";
import { Retention } from "./retention.ts";
import { SnapshotsView } from "./snapshots_view.ts";
import { StatusBar } from "./status_bar.ts";
import { Taker } from "./take.ts";
import { registerTools } from "./tools.ts";
import { SCHEME, VersionFiles } from "./versions.ts";

let end: (() => Promise<void>) | undefined;

/** Called by VS Code once it has started. */
export function activate(extension: vscode.ExtensionContext): DeltarExports {
  const script = vscode.Uri.joinPath(extension.extensionUri, "dist/worker.cjs");
  const writer = new Engine(script.fsPath);
  const reader = new Engine(script.fsPath);
  const storage = extension.globalStorageUri;
  const log = vscode.window.createOutputChannel("Deltar", { log: true });
  const keys = new Keys(extension.secrets);
  const guards = new Guards({ storage, keys, writer, reader });
  const history = new HistoryView(guards);
  const memory = extension.workspaceState;
  const context: Context = { guards, log, history, memory };
  const taker = new Taker(context);
  const automatic = new Automatic(guards, taker);
  const status = new StatusBar(guards, automatic);
  const api = new Api(context, taker);
  extension.subscriptions.push(
    log,
    keys,
    guards,
    taker,
    automatic,
    status,
    new Journal(guards, log, extension.extension.packageJSON.version),
    new SnapshotsView(guards).attach("deltar.snapshots"),
    history.attach("deltar.fileHistory"),
    vscode.workspace.registerFileSystemProvider(
      SCHEME,
      new VersionFiles(guards),
      { isReadonly: true, isCaseSensitive: true },
    ),
    vscode.window.registerFileDecorationProvider(new ChangeDecorations()),
    new Retention(context, extension.globalState, taker),
    new Neighbours(storage, guards, taker),
    ...registerCommands(context, { taker, automatic, status, keys }),
    registerTools(api),
  );
  end = async () => {
    await automatic.close();
    await Promise.all([writer.dispose(), reader.dispose()]);
  };
  // What there is, for the status bar, once all else is done.
  setTimeout(async () => {
    await keys.ready;
    for (const guard of guards.all) {
      guard.snapshots().then(() => status.update(), () => status.update());
    }
    await offerToFinish(context);
  }, 0);
  return makeExports(api);
}

/** Called by VS Code before it ends. */
export async function deactivate(): Promise<void> {
  await end?.();
}
