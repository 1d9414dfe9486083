/**
 * The extension. Two processes share the work: the extension host, in which VS
 * Code runs all extensions, and a child process, which runs the library in two
 * threads. One thread takes snapshots and restores files. The other one reads
 * and prunes repositories, even while the first thread is busy.
 *
 * `host/` is the code of the extension host. `extension.ts` creates the parts
 * of the extension. `folders/` has the workspace's folders with the state of
 * their snapshots. `encryption/` creates encrypted repositories and asks for
 * their keys. `snapshots/` takes and removes snapshots: its file
 * `automatic_snapshots.ts` decides when snapshots are taken, and its file
 * `old_histories.ts` continues the history of a folder that was moved. `views/`
 * shows the snapshots, `commands/` carries out what the user chooses, and
 * `api/` answers other extensions and language models. `ui/` has the texts and
 * notifications that these parts show. `settings.ts` reads the settings, which
 * `package.json` declares. `engine.ts` starts the child process and calls its
 * threads.
 *
 * `worker/` is the code of the child process. `process.ts` starts its threads.
 * In each thread, `worker.ts` receives requests, cancels them and reports their
 * progress. `methods.ts`, `restore_methods.ts` and `key_methods.ts` carry out
 * the requests. `repositories.ts` opens repositories.
 *
 * `shared/protocol.ts` describes the messages between the processes.
 *
 * @module
 */
import * as vscode from "vscode";
import type { DeltarExports } from "./api/api.ts";
import { Api, makeExports } from "./api/make_api.ts";
import { offerMcpServers } from "./api/mcp_servers.ts";
import { registerTools } from "./api/tools.ts";
import { registerCommands } from "./commands/commands.ts";
import type { Context } from "./commands/context.ts";
import { watchVersionEditors } from "./commands/version_steps.ts";
import { offerToFinish } from "./commands/unfinished_restores.ts";
import { EncryptedRepositories } from "./encryption/encrypted_repositories.ts";
import { Engine } from "./engine.ts";
import { FolderLog } from "./folders/folder_log.ts";
import { KeyStore } from "./folders/key_store.ts";
import { ProtectedFolders } from "./folders/protected_folders.ts";
import { S3Credentials } from "./folders/s3_credentials.ts";
import { VersionFileSystem } from "./folders/version_file_system.ts";
import { SCHEME } from "./folders/version_uri.ts";
import { limitedOutput } from "./limited_output.ts";
import { AutomaticSnapshots } from "./snapshots/automatic_snapshots.ts";
import { ExternalChanges } from "./snapshots/external_changes.ts";
import { FirstSnapshots } from "./snapshots/first_snapshots.ts";
import { OldHistories } from "./snapshots/old_histories.ts";
import { RepositoryWatch } from "./snapshots/repository_watch.ts";
import { Retention } from "./snapshots/retention.ts";
import { SnapshotRunner } from "./snapshots/snapshot_runner.ts";
import { WindowSync } from "./snapshots/window_sync.ts";
import { BrowseView } from "./views/browse_view.ts";
import { ChangeDecorations } from "./views/change_decorations.ts";
import { GutterMarks } from "./views/gutter_marks.ts";
import { HistoryView } from "./views/history_view.ts";
import { LargeFiles } from "./views/large_files.ts";
import { SnapshotsView } from "./views/snapshots_view.ts";
import { StatusBar } from "./views/status_bar.ts";
import { VisibleRows } from "./views/visible_rows.ts";

let end: (() => Promise<void>) | undefined;

/** Called by VS Code when the extension starts. */
export function activate(extension: vscode.ExtensionContext): DeltarExports {
  const log = vscode.window.createOutputChannel("Deltar", { log: true });
  const pathOf = (script: string) =>
    vscode.Uri.joinPath(extension.extensionUri, "dist", script).fsPath;
  const engine = new Engine({
    process: pathOf("process.cjs"),
    worker: pathOf("worker.cjs"),
    onOutput: limitedOutput((text) => log.warn(text)),
  });
  const { writer, reader } = engine;
  const storage = extension.globalStorageUri;
  const credentials = new S3Credentials(extension.secrets);
  const keys = new KeyStore(extension.secrets);
  const folders = new ProtectedFolders({
    own: { storage, logs: extension.logUri },
    credentials,
    keys,
    writer,
    reader,
  });
  const history = new HistoryView(folders);
  const memory = extension.workspaceState;
  const browse = new BrowseView();
  const context: Context = { folders, log, history, browse, memory };
  const encrypted = new EncryptedRepositories(memory);
  const runner = new SnapshotRunner(folders, encrypted, log);
  // `old` is created before `first`, so that a question about an old history
  // comes before the first snapshot.
  const old = new OldHistories({
    folders,
    encrypted,
    log,
    memory: extension.globalState,
  });
  const automatic = new AutomaticSnapshots(folders, runner, memory);
  const external = new ExternalChanges(folders, automatic);
  const first = new FirstSnapshots({
    folders,
    runner,
    automatic,
    memory: extension.globalState,
  });
  const status = new StatusBar(folders, automatic);
  const api = new Api(context, runner);
  extension.subscriptions.push(
    log,
    credentials,
    keys,
    folders,
    folders.onDidChange(() => encrypted.askForMissing(folders.all)),
    runner,
    old,
    automatic,
    external,
    status,
    first,
    new FolderLog(folders, log, extension.extension.packageJSON.version),
    new SnapshotsView(folders).attach("deltar.snapshots"),
    history.attach("deltar.fileHistory"),
    browse.attach("deltar.browse"),
    vscode.window.registerFileDecorationProvider(new VisibleRows(folders)),
    watchVersionEditors(),
    vscode.workspace.registerFileSystemProvider(
      SCHEME,
      new VersionFileSystem(folders),
      { isReadonly: true, isCaseSensitive: true },
    ),
    new LargeFiles(folders),
    new GutterMarks(folders),
    vscode.window.registerFileDecorationProvider(new ChangeDecorations()),
    new Retention(log, extension.globalState, runner),
    new WindowSync(storage, folders, runner),
    new RepositoryWatch(folders),
    ...registerCommands(context, {
      runner,
      automatic,
      status,
      credentials,
      encrypted,
    }),
    registerTools(api, folders),
    offerMcpServers(vscode, { folders, log }),
  );
  end = async () => {
    external.dispose();
    await automatic.close();
    await engine.dispose();
  };
  // The status bar needs the snapshots, but reading them can wait until
  // everything else has started.
  setTimeout(async () => {
    await credentials.ready;
    const listed = () => {
      status.update();
      old.look();
      first.begin();
      encrypted.askForMissing(folders.all);
    };
    for (const folder of folders.all) {
      folder.snapshots().then(listed, listed);
      void encrypted.remind(folder);
    }
    await offerToFinish(context);
  }, 0);
  return makeExports(api);
}

/** Called by VS Code before the extension ends. */
export async function deactivate(): Promise<void> {
  await end?.();
}
