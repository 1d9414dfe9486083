import * as vscode from "vscode";
import type { Guard } from "./guard.ts";
import type { Guards } from "./guards.ts";
import { triggers } from "./settings.ts";
import type { Taker } from "./take.ts";

/** A burst of saves is waited for for at most this number of delays. */
const PATIENCE = 6;

/** Takes snapshots after saving, every so often and at the end. */
export class Automatic implements vscode.Disposable {
  readonly #guards: Guards;
  readonly #taker: Taker;
  readonly #waiting = new Map<Guard, { timer: Timer; since: number }>();
  readonly #disposables: vscode.Disposable[] = [];
  #clock: Timer | undefined;
  #isPaused = false;

  constructor(guards: Guards, taker: Taker) {
    this.#guards = guards;
    this.#taker = taker;
    this.#disposables.push(
      vscode.workspace.onDidSaveTextDocument(({ uri }) => this.#saved(uri)),
      vscode.workspace.onDidSaveNotebookDocument(({ uri }) => this.#saved(uri)),
      // What is done in the explorer is no saving, and as easily regretted.
      vscode.workspace.onDidCreateFiles(({ files }) => this.#all(files)),
      vscode.workspace.onDidDeleteFiles(({ files }) => this.#all(files)),
      vscode.workspace.onDidRenameFiles(({ files }) =>
        this.#all(files.map(({ newUri }) => newUri))
      ),
      vscode.workspace.onDidChangeConfiguration((event) => {
        if (event.affectsConfiguration("deltar.snapshot")) this.#wind();
      }),
      vscode.workspace.onDidGrantWorkspaceTrust(() => this.#wind()),
    );
    this.#wind();
  }

  /** Whether the user has paused it. */
  get isPaused(): boolean {
    return this.#isPaused;
  }

  set isPaused(isPaused: boolean) {
    this.#isPaused = isPaused;
    this.#wind();
  }

  /** Whether nothing at all would be taken unasked. */
  get isOff(): boolean {
    const { onSave, every, onClose } = triggers();
    return this.#isPaused || !onSave && every === 0 && !onClose;
  }

  /** Takes the last snapshots before the window closes. */
  async close(): Promise<void> {
    const isWanted = triggers().onClose && this.#mayTake;
    this.dispose();
    if (!isWanted) return;
    await Promise.all(
      this.#guards.all.map((guard) =>
        this.#taker.byItself(guard, "the window closes")
      ),
    );
  }

  dispose(): void {
    clearInterval(this.#clock);
    for (const { timer } of this.#waiting.values()) clearTimeout(timer);
    this.#waiting.clear();
    for (const one of this.#disposables.splice(0)) one.dispose();
  }

  get #mayTake(): boolean {
    return vscode.workspace.isTrusted && !this.#isPaused;
  }

  #all(uris: readonly vscode.Uri[]): void {
    for (const uri of uris) this.#saved(uri);
  }

  #saved(uri: vscode.Uri): void {
    const { onSave, delay } = triggers();
    const guard = this.#guards.of(uri);
    if (guard === undefined || !onSave || !this.#mayTake) return;
    const now = Date.now();
    const since = this.#waiting.get(guard)?.since ?? now;
    clearTimeout(this.#waiting.get(guard)?.timer);
    const latest = since + PATIENCE * delay;
    const timer = setTimeout(() => {
      this.#waiting.delete(guard);
      void this.#taker.byItself(guard, "after saving");
    }, Math.min(delay, Math.max(0, latest - now)));
    this.#waiting.set(guard, { timer, since });
  }

  #wind(): void {
    clearInterval(this.#clock);
    const { every } = triggers();
    if (every === 0 || !this.#mayTake) return;
    this.#clock = setInterval(() => {
      for (const guard of this.#guards.all) {
        if (!guard.isBusy) void this.#taker.byItself(guard, "time has passed");
      }
    }, every);
  }
}

type Timer = ReturnType<typeof setTimeout>;
