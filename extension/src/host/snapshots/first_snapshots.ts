import * as vscode from "vscode";
import type { ProtectedFolder } from "../folders/protected_folder.ts";
import type { ProtectedFolders } from "../folders/protected_folders.ts";
import { triggers } from "../settings.ts";
import { showInformation } from "../ui/messages.ts";
import type { AutomaticSnapshots } from "./automatic_snapshots.ts";
import type { SnapshotRunner } from "./snapshot_runner.ts";
import { mayBeginUnasked } from "./unasked.ts";
import { within } from "./within.ts";

/**
 * The maximum time for which a save waits until the original file is copied, in
 * milliseconds. VS Code waits at most 1.5 seconds for an extension.
 */
const MAX_SAVE_DELAY_MS = 1200;

/**
 * The maximum time for which deleting or renaming a file waits for the first
 * snapshot, in milliseconds.
 */
const MAX_DELETE_DELAY_MS = 5000;

/**
 * The key of the global state that records whether the user was told where
 * snapshots are stored.
 */
const ANNOUNCED = "announced";

/** Options for the first snapshots. */
export interface FirstSnapshotsOptions {
  /** The folders of the workspace. */
  folders: ProtectedFolders;
  /** The part that takes snapshots. */
  runner: SnapshotRunner;
  /** The part that decides whether snapshots may be taken automatically. */
  automatic: AutomaticSnapshots;
  /** The state that VS Code keeps for this machine. */
  memory: vscode.Memento;
}

/**
 * Takes the first snapshot of each folder that has none, in the background.
 * Until the folder has a snapshot, each file that is opened is copied, so that
 * the first snapshot has the original content even if the file is changed
 * before the snapshot. If the first snapshot of a folder has to wait for a
 * save, each file is copied just before it is first saved.
 */
export class FirstSnapshots implements vscode.Disposable {
  readonly #options: FirstSnapshotsOptions;
  /** The first snapshots that have begun, by folder. */
  readonly #begun = new Map<ProtectedFolder, Begun>();
  readonly #disposables: vscode.Disposable[];

  constructor(options: FirstSnapshotsOptions) {
    this.#options = options;
    const { folders, automatic } = options;
    const { workspace } = vscode;
    const begin = () => this.begin();
    const keep = ({ uri }: { uri: vscode.Uri }) =>
      void this.#keep(uri, "opened");
    const hold = (event: SaveEvent, { uri }: { uri: vscode.Uri }) => {
      const kept = this.#keep(uri, "saved");
      if (kept !== undefined) event.waitUntil(within(MAX_SAVE_DELAY_MS, kept));
    };
    const wait = (event: SaveEvent, uris: readonly vscode.Uri[]) => {
      const begun = uris.flatMap((uri) => {
        const folder = folders.of(uri);
        return folder && this.#begun.get(folder)?.end || [];
      });
      if (begun.length === 0) return;
      event.waitUntil(within(MAX_DELETE_DELAY_MS, Promise.all(begun)));
    };
    this.#disposables = [
      workspace.onDidOpenTextDocument(keep),
      workspace.onDidOpenNotebookDocument(keep),
      workspace.onWillSaveTextDocument((event) => hold(event, event.document)),
      workspace.onWillSaveNotebookDocument((event) =>
        hold(event, event.notebook)
      ),
      workspace.onWillDeleteFiles((event) => wait(event, event.files)),
      workspace.onWillRenameFiles((event) =>
        wait(event, event.files.map(({ oldUri }) => oldUri))
      ),
      workspace.onDidGrantWorkspaceTrust(begin),
      workspace.onDidChangeConfiguration((event) => {
        if (event.affectsConfiguration("deltar.snapshot")) begin();
      }),
      folders.onDidChange(begin),
      automatic.onDidPause(() => {
        if (automatic.isPaused) this.#cancel();
        else begin();
      }),
    ];
  }

  /**
   * Copies the open files of each folder without snapshots and begins the first
   * snapshot of the folder, unless that has to wait for a save. Called by the
   * extension after the snapshots of a folder have been listed.
   */
  begin(): void {
    const { folders, automatic } = this.#options;
    if (!automatic.mayTake || !triggers().onOpen) return;
    const { textDocuments, notebookDocuments } = vscode.workspace;
    for (const { uri } of [...textDocuments, ...notebookDocuments]) {
      void this.#keep(uri, "opened");
    }
    for (const folder of folders.all) {
      // `undefined` means that the snapshots have not been listed yet.
      if (folder.hasSnapshots !== false || !mayBeginUnasked(folder)) continue;
      const { repository } = folder.config;
      if (this.#begun.get(folder)?.repository === repository) continue;
      const controller = new AbortController();
      const end = this.#take(folder, controller.signal);
      this.#begun.set(folder, { repository, controller, end });
    }
  }

  dispose(): void {
    this.#cancel();
    for (const one of this.#disposables) one.dispose();
  }

  #cancel(): void {
    for (const { controller } of this.#begun.values()) controller.abort();
    this.#begun.clear();
  }

  async #take(folder: ProtectedFolder, signal: AbortSignal): Promise<void> {
    await folder.untilAnswered();
    const { automatic, folders } = this.#options;
    const isWanted = !signal.aborted && automatic.mayTake &&
      folders.all.includes(folder);
    if (!isWanted) return;
    if (!folder.hasSnapshots) void this.#announce(folder);
    const { runner } = this.#options;
    await runner.takeAutomatically(folder, "first snapshot", signal);
  }

  /** Tells the user where snapshots are stored, once on each machine. */
  async #announce({ name, config }: ProtectedFolder): Promise<void> {
    const { memory } = this.#options;
    if (memory.get(ANNOUNCED, false)) return;
    await memory.update(ANNOUNCED, true);
    const show = "Show Snapshots";
    const pause = "Pause Automatic Snapshots";
    const answer = await showInformation(
      `Deltar is taking a first snapshot of ${name}, and will take more while ` +
        `you work. Snapshots are stored in ${config.repository}.`,
      show,
      pause,
    );
    if (answer === show) {
      await vscode.commands.executeCommand("deltar.snapshots.focus");
    } else if (answer === pause) {
      await vscode.commands.executeCommand("deltar.pause");
    }
  }

  /**
   * Copies a file for the first snapshot of its folder. An open file is copied
   * only if the first snapshot is taken without waiting for a save. A file that
   * is about to be saved is copied if the first snapshot can be taken
   * automatically.
   *
   * @param uri The file.
   * @param when Whether the file was opened or is about to be saved.
   * @returns Whether the current content of the file can be restored later, or
   * `undefined` if no copy is needed or allowed.
   */
  #keep(
    uri: vscode.Uri,
    when: "opened" | "saved",
  ): Promise<boolean> | undefined {
    const { folders, automatic } = this.#options;
    if (uri.scheme !== "file" || automatic.isOff || !automatic.mayTake) {
      return undefined;
    }
    const folder = folders.of(uri);
    if (folder === undefined || folder.hasSnapshots) return undefined;
    const { onOpen, onSave } = triggers();
    const isUnasked = mayBeginUnasked(folder);
    const begins = when === "opened"
      ? onOpen && isUnasked
      : onSave || isUnasked;
    if (!begins) return undefined;
    return folder.keepOriginal(uri);
  }
}

interface Begun {
  repository: string;
  controller: AbortController;
  end: Promise<void>;
}

interface SaveEvent {
  waitUntil(work: Thenable<unknown>): void;
}
