import * as fs from "node:fs";
import { join } from "node:path";
import * as vscode from "vscode";
import type { ProtectedFolders } from "../folders/protected_folders.ts";
import type { SnapshotRunner } from "./snapshot_runner.ts";

/**
 * The time from the last change in the watched folder until the snapshots are
 * listed again, in milliseconds.
 */
const QUIET_MS = 200;

/**
 * Notifies the other windows on this machine of each new snapshot. A window
 * that takes a snapshot writes a file in the extension's own storage, and all
 * windows watch the folder of this file.
 */
export class WindowSync implements vscode.Disposable {
  readonly #disposables: vscode.Disposable[];
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    storage: vscode.Uri,
    folders: ProtectedFolders,
    runner: SnapshotRunner,
  ) {
    const folder = join(storage.fsPath, "news");
    const file = join(folder, "last");
    const own = `${process.pid}`;
    const publish = () =>
      fs.promises.writeFile(file, own).catch(() => {
        // If the file cannot be written, the other windows show the snapshot
        // when they next list the snapshots.
      });
    const receive = async () => {
      if (await fs.promises.readFile(file, "utf8") !== own) {
        await folders.refresh();
      }
    };
    this.#disposables = [runner.onDidSnapshot(publish)];
    void fs.promises.mkdir(folder, { recursive: true }).then(() => {
      const watcher = fs.watch(folder, () => {
        clearTimeout(this.#timer);
        this.#timer = setTimeout(
          () => void receive().catch(() => {}),
          QUIET_MS,
        );
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
