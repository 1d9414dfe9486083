import * as fs from "node:fs";
import { join } from "node:path";
import * as vscode from "vscode";
import type { Guards } from "./guards.ts";
import type { Taker } from "./take.ts";

/** The time for which news are gathered, in milliseconds. */
const GATHER_MS = 200;

/**
 * Windows of the same machine tell each other that there is a new snapshot: by
 * touching one file in the extension's own storage, which all of them watch.
 */
export class Neighbours implements vscode.Disposable {
  readonly #disposables: vscode.Disposable[];
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(storage: vscode.Uri, guards: Guards, taker: Taker) {
    const folder = join(storage.fsPath, "news");
    const file = join(folder, "last");
    const own = `${process.pid}`;
    const tell = () =>
      fs.promises.writeFile(file, own).catch(() => {
        // Others then see it the next time they look.
      });
    const hear = async () => {
      if (await fs.promises.readFile(file, "utf8") !== own) guards.refresh();
    };
    this.#disposables = [taker.onDidSnapshot(tell)];
    void fs.promises.mkdir(folder, { recursive: true }).then(() => {
      const watcher = fs.watch(folder, () => {
        clearTimeout(this.#timer);
        this.#timer = setTimeout(() => void hear().catch(() => {}), GATHER_MS);
      });
      watcher.on("error", () => watcher.close());
      this.#disposables.push(new vscode.Disposable(() => watcher.close()));
    }).catch(() => {});
  }

  dispose(): void {
    clearTimeout(this.#timer);
    for (const one of this.#disposables.splice(0)) one.dispose();
  }
}
