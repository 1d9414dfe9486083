import * as vscode from "vscode";
import type { ProtectedFolder } from "../folders/protected_folder.ts";
import type { ProtectedFolders } from "../folders/protected_folders.ts";
import { triggers } from "../settings.ts";
import type { AutomaticSnapshots } from "./automatic_snapshots.ts";
import { BurstTimer } from "./burst_timer.ts";
import { ignoredFolders, isWatched, mayWatch } from "./is_watched.ts";
import { OwnChanges } from "./own_changes.ts";

/** The watcher of a folder. */
interface Watcher {
  watcher: vscode.FileSystemWatcher;
  timer: BurstTimer;
  /**
   * The paths of the folders in which changes are ignored: the repositories and
   * caches of all workspace folders, and the extension's own folders.
   */
  ignored: readonly string[];
}

/**
 * Takes snapshots after a terminal, an agent or another program has changed
 * files. Learns of the changes from the file events of VS Code. Because some
 * changes cause no event, the end of a command in a terminal and the return of
 * the focus to the window also count as changes.
 */
export class ExternalChanges implements vscode.Disposable {
  readonly #folders: ProtectedFolders;
  readonly #automatic: AutomaticSnapshots;
  readonly #own = new OwnChanges();
  readonly #watchers = new Map<ProtectedFolder, Watcher>();
  readonly #disposables: vscode.Disposable[];
  #isFocused = vscode.window.state.focused;

  constructor(folders: ProtectedFolders, automatic: AutomaticSnapshots) {
    this.#folders = folders;
    this.#automatic = automatic;
    const { workspace, window } = vscode;
    const update = () => this.#update();
    const saved = ({ uri }: { uri: vscode.Uri }) => this.#own.add([uri.fsPath]);
    const changed = (uris: readonly vscode.Uri[]) =>
      this.#own.add(uris.map(({ fsPath }) => fsPath));
    const renamed = (
      { files }: vscode.FileWillRenameEvent | vscode.FileRenameEvent,
    ) => changed(files.flatMap(({ oldUri, newUri }) => [oldUri, newUri]));
    this.#disposables = [
      folders.onDidChange(update),
      automatic.onDidPause(update),
      workspace.onDidGrantWorkspaceTrust(update),
      workspace.onDidChangeConfiguration((event) => {
        if (event.affectsConfiguration("deltar")) update();
      }),
      // The file event of a change can arrive before or after the `onDid`
      // event, so the `onWill` event is handled, too.
      workspace.onWillSaveTextDocument(({ document }) => saved(document)),
      workspace.onDidSaveTextDocument(saved),
      workspace.onWillSaveNotebookDocument(({ notebook }) => saved(notebook)),
      workspace.onDidSaveNotebookDocument(saved),
      workspace.onWillCreateFiles(({ files }) => changed(files)),
      workspace.onDidCreateFiles(({ files }) => changed(files)),
      workspace.onWillDeleteFiles(({ files }) => changed(files)),
      workspace.onDidDeleteFiles(({ files }) => changed(files)),
      workspace.onWillRenameFiles(renamed),
      workspace.onDidRenameFiles(renamed),
      window.onDidEndTerminalShellExecution(() => this.#noteAll()),
      window.onDidChangeWindowState(({ focused }) => {
        if (focused && !this.#isFocused) this.#noteAll();
        this.#isFocused = focused;
      }),
    ];
    update();
  }

  dispose(): void {
    for (const one of this.#disposables) one.dispose();
    for (const [folder, watched] of this.#watchers) this.#end(folder, watched);
    this.#own.dispose();
  }

  /**
   * Watches the current folders in which changes lead to snapshots. Stops
   * watching all other folders.
   */
  #update(): void {
    const { all } = this.#folders;
    const isOn = triggers().onExternalChange && this.#automatic.mayTake;
    const wanted = isOn ? all.filter(({ config }) => mayWatch(config)) : [];
    for (const [folder, watched] of this.#watchers) {
      if (!wanted.includes(folder)) this.#end(folder, watched);
    }
    const ignored = all.flatMap(({ config }) => ignoredFolders(config));
    for (const folder of wanted) {
      const watcher = this.#watchers.get(folder) ?? this.#begin(folder);
      watcher.ignored = ignored;
    }
  }

  #begin(folder: ProtectedFolder): Watcher {
    const { workspaceFolder, uri } = folder;
    const watcher = vscode.workspace.createFileSystemWatcher(
      new vscode.RelativePattern(workspaceFolder, "**/*"),
    );
    const timer = new BurstTimer(() =>
      this.#automatic.takeAfterExternalChange(folder)
    );
    const added: Watcher = { watcher, timer, ignored: [] };
    // A program can cause tens of thousands of events in a row, so the cheapest
    // check comes first.
    const note = ({ fsPath }: vscode.Uri) => {
      if (timer.isNoted || this.#own.has(fsPath)) return;
      if (isWatched(fsPath, uri.fsPath, added.ignored)) timer.note();
    };
    watcher.onDidCreate(note);
    watcher.onDidChange(note);
    watcher.onDidDelete(note);
    this.#watchers.set(folder, added);
    return added;
  }

  #end(folder: ProtectedFolder, { watcher, timer }: Watcher): void {
    watcher.dispose();
    timer.dispose();
    this.#watchers.delete(folder);
  }

  #noteAll(): void {
    for (const { timer } of this.#watchers.values()) timer.note();
  }
}
