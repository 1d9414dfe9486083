import * as vscode from "vscode";
import { plural } from "../../../../shared/text.ts";
import { EngineError } from "../engine.ts";
import type { ProtectedFolder } from "../folders/protected_folder.ts";
import { isRetentionEnabled, retentionPolicy } from "../settings.ts";
import { explain } from "../ui/explain.ts";
import { showWarning } from "../ui/messages.ts";
import type { SnapshotRunner } from "./snapshot_runner.ts";

/**
 * The minimum time between two automatic removals of old snapshots of a folder,
 * in milliseconds.
 */
const INTERVAL_MS = 86_400_000;

/**
 * Removes old snapshots of a folder by the rules in the settings. Does this
 * after a new snapshot of the folder, but at most once a day.
 */
export class Retention implements vscode.Disposable {
  readonly #log: vscode.LogOutputChannel;
  readonly #state: vscode.Memento;
  readonly #watch: vscode.Disposable;

  constructor(
    log: vscode.LogOutputChannel,
    state: vscode.Memento,
    runner: SnapshotRunner,
  ) {
    this.#log = log;
    this.#state = state;
    this.#watch = runner.onDidSnapshot(({ folder }) =>
      void this.#prune(folder)
    );
  }

  dispose(): void {
    this.#watch.dispose();
  }

  async #prune(folder: ProtectedFolder): Promise<void> {
    if (!isRetentionEnabled() || !vscode.workspace.isTrusted) return;
    const key = `pruned ${folder.uri}`;
    if (Date.now() - this.#state.get(key, 0) < INTERVAL_MS) return;
    await this.#state.update(key, Date.now());
    try {
      const { removed } = await folder.reader.call("prune", {
        config: folder.config,
        policy: retentionPolicy(),
      });
      this.#log.info(removedText(folder, removed));
      if (removed.length > 0) await folder.refresh();
    } catch (error) {
      // Another window might be pruning, so the user is told only about an
      // unsafe removal. This window tries again after a day.
      const text = `${folder.name}: cannot remove old snapshots: ${
        explain(error)
      }`;
      this.#log.warn(text);
      if (error instanceof EngineError && error.code === "unsafe") {
        this.#warn(folder);
      }
    }
  }

  /**
   * Warns the user that no snapshot was removed, because the new snapshots are
   * unusual.
   */
  #warn({ name }: ProtectedFolder): void {
    const prune = "Remove Old Snapshots\u2026";
    void showWarning(
      `No old snapshots of ${name} were removed, because its new snapshots are ` +
        "unusual: there are many more than usual, or the newest one has far " +
        "fewer files than an earlier one. Check the new snapshots before you " +
        "remove old ones.",
      prune,
    ).then((answer) => {
      if (answer === prune) {
        return vscode.commands.executeCommand("deltar.prune");
      }
    });
  }
}

/**
 * Returns the log line about removed snapshots.
 *
 * @param folder The folder of the snapshots.
 * @param removed The ids of the removed snapshots.
 */
export function removedText(
  { name }: ProtectedFolder,
  removed: readonly string[],
): string {
  const which = removed.length > 1
    ? `, from ${removed[0]} to ${removed.at(-1)}`
    : removed.length === 1
    ? `, ${removed[0]}`
    : "";
  return `${name}: removed ${plural(removed.length, "old snapshot")}${which}`;
}
