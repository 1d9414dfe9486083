import * as vscode from "vscode";
import type { ProtectedFolder } from "../folders/protected_folder.ts";
import type { ProtectedFolders } from "../folders/protected_folders.ts";
import { triggers } from "../settings.ts";
import type { SnapshotRunner } from "./snapshot_runner.ts";
import { mayBeginUnasked } from "./unasked.ts";

/**
 * The maximum time from the first of several saves in a row to the snapshot
 * after them, as a multiple of the delay in the settings.
 */
const MAX_DELAYS = 6;

/** The key of the workspace state that is `true` while snapshots are paused. */
const PAUSED = "paused";

/**
 * Takes snapshots after the user saves files, at an interval, and before the
 * window closes. Also takes snapshots after other programs have changed files,
 * which `ExternalChanges` notices.
 */
export class AutomaticSnapshots implements vscode.Disposable {
  /** Fires when automatic snapshots are paused or resumed. */
  readonly onDidPause: vscode.Event<void>;
  readonly #paused = new vscode.EventEmitter<void>();
  readonly #memory: vscode.Memento;
  readonly #folders: ProtectedFolders;
  readonly #runner: SnapshotRunner;
  readonly #waiting = new Map<
    ProtectedFolder,
    { timer: Timer; since: number }
  >();
  /** The folders whose automatic snapshot waits for the user's answer. */
  readonly #asked = new Set<ProtectedFolder>();
  readonly #disposables: vscode.Disposable[] = [];
  #interval: Timer | undefined;

  /**
   * Starts taking snapshots automatically, unless the user has paused them.
   *
   * @param folders The folders of the workspace.
   * @param runner The part that takes snapshots.
   * @param memory The state that VS Code keeps for this workspace.
   */
  constructor(
    folders: ProtectedFolders,
    runner: SnapshotRunner,
    memory: vscode.Memento,
  ) {
    this.#folders = folders;
    this.#runner = runner;
    this.#memory = memory;
    this.onDidPause = this.#paused.event;
    this.#disposables.push(
      this.#paused,
      vscode.workspace.onDidSaveTextDocument(({ uri }) => this.#saved(uri)),
      vscode.workspace.onDidSaveNotebookDocument(({ uri }) => this.#saved(uri)),
      // A change in the explorer is not a save, but the user might want to undo
      // it, too.
      vscode.workspace.onDidCreateFiles(({ files }) => this.#savedAll(files)),
      vscode.workspace.onDidDeleteFiles(({ files }) => this.#savedAll(files)),
      vscode.workspace.onDidRenameFiles(({ files }) =>
        this.#savedAll(files.map(({ newUri }) => newUri))
      ),
      vscode.workspace.onDidChangeConfiguration((event) => {
        if (event.affectsConfiguration("deltar.snapshot")) this.#restartTimer();
      }),
      vscode.workspace.onDidGrantWorkspaceTrust(() => this.#restartTimer()),
    );
    this.#restartTimer();
  }

  /** Whether the user has paused automatic snapshots. */
  get isPaused(): boolean {
    return this.#memory.get(PAUSED, false);
  }

  /**
   * Pauses or resumes automatic snapshots, in this window and in later windows
   * of the workspace.
   */
  async setPaused(isPaused: boolean): Promise<void> {
    // `undefined` deletes the key.
    await this.#memory.update(PAUSED, isPaused || undefined);
    this.#restartTimer();
    this.#paused.fire();
  }

  /** Whether automatic snapshots are paused, or turned off by the settings. */
  get isOff(): boolean {
    const { onOpen, onSave, onExternalChange, every, onClose } = triggers();
    return this.isPaused ||
      !onOpen && !onSave && !onExternalChange && every === 0 && !onClose;
  }

  /** Whether the workspace is trusted and the user has not paused snapshots. */
  get mayTake(): boolean {
    return vscode.workspace.isTrusted && !this.isPaused;
  }

  /**
   * Takes a snapshot of a folder in which another program has changed files.
   * Takes none if a snapshot after a save is about to be taken, because that
   * snapshot will also have these changes.
   *
   * @returns The duration of the work in milliseconds, even if nothing had
   * changed, or `undefined` if no snapshot was attempted or the attempt failed.
   */
  async takeAfterExternalChange(
    folder: ProtectedFolder,
  ): Promise<number | undefined> {
    if (this.#waiting.has(folder)) return undefined;
    return await this.#takeUnasked(folder, "after changes by other programs");
  }

  /**
   * Stops the automatic snapshots. Then, if the settings say so, takes a last
   * snapshot of each folder before the window closes.
   */
  async close(): Promise<void> {
    const isWanted = triggers().onClose && this.mayTake;
    this.dispose();
    if (!isWanted) return;
    const folders = this.#folders.all.filter(({ question }) => !question);
    await Promise.all(
      folders.map((folder) => this.#takeUnasked(folder, "before closing")),
    );
  }

  dispose(): void {
    clearInterval(this.#interval);
    for (const { timer } of this.#waiting.values()) clearTimeout(timer);
    this.#waiting.clear();
    for (const one of this.#disposables.splice(0)) one.dispose();
  }

  #savedAll(uris: readonly vscode.Uri[]): void {
    for (const uri of uris) this.#saved(uri);
  }

  #saved(uri: vscode.Uri): void {
    const { onSave, delay } = triggers();
    const folder = this.#folders.of(uri);
    if (folder === undefined || !onSave || !this.mayTake) return;
    const now = Date.now();
    const since = this.#waiting.get(folder)?.since ?? now;
    clearTimeout(this.#waiting.get(folder)?.timer);
    const latest = since + MAX_DELAYS * delay;
    const timer = setTimeout(() => {
      this.#waiting.delete(folder);
      void this.#take(folder, "after saving");
    }, Math.min(delay, Math.max(0, latest - now)));
    this.#waiting.set(folder, { timer, since });
  }

  /**
   * Takes a snapshot of a folder, unless the snapshot would be a first snapshot
   * that must wait until the user saves a file.
   *
   * @returns The duration of the work in milliseconds, even if nothing had
   * changed, or `undefined` if no snapshot was attempted or the attempt failed.
   */
  async #takeUnasked(
    folder: ProtectedFolder,
    reason: string,
  ): Promise<number | undefined> {
    if (!mayBeginUnasked(folder)) {
      // If the list cannot be read, the error is ignored here. The snapshot
      // then fails with the same error, and the user is told.
      await folder.snapshots().catch(() => {});
      if (folder.hasSnapshots === false) return undefined;
    }
    return await this.#take(folder, reason);
  }

  /**
   * Takes a snapshot of a folder. While a question about an old history is
   * open, the first call waits, and further calls take no snapshot.
   *
   * @returns The duration of the work in milliseconds, even if nothing had
   * changed, or `undefined` if no snapshot was attempted or the attempt failed.
   */
  async #take(
    folder: ProtectedFolder,
    reason: string,
  ): Promise<number | undefined> {
    if (folder.question !== undefined) {
      if (this.#asked.has(folder)) return undefined;
      this.#asked.add(folder);
      await folder.untilAnswered();
      this.#asked.delete(folder);
      if (!this.mayTake || !this.#folders.all.includes(folder)) {
        return undefined;
      }
    }
    return await this.#runner.takeAutomatically(folder, reason);
  }

  #restartTimer(): void {
    clearInterval(this.#interval);
    const { every } = triggers();
    if (every === 0 || !this.mayTake) return;
    this.#interval = setInterval(() => {
      for (const folder of this.#folders.all) {
        if (folder.isBusy || folder.question) continue;
        void this.#takeUnasked(folder, "at the interval");
      }
    }, every);
  }
}

type Timer = ReturnType<typeof setTimeout>;
