import * as vscode from "vscode";
import { formatBytes, plural } from "../../../../shared/text.ts";
import type { SnapshotReport } from "../../shared/protocol.ts";
import type { EncryptedRepositories } from "../encryption/encrypted_repositories.ts";
import type {
  ProtectedFolder,
  SnapshotOptions,
} from "../folders/protected_folder.ts";
import type { ProtectedFolders } from "../folders/protected_folders.ts";
import { sizeLimit } from "../settings.ts";
import { explain, isCancelled } from "../ui/explain.ts";
import { showInformation, showWarning } from "../ui/messages.ts";
import { showFailure, withProgress } from "../ui/notifications.ts";
import { changedFiles } from "../ui/snapshot_text.ts";
import { noFolderText } from "../ui/virtual_text.ts";

/** The event that is fired after a new snapshot. */
export interface SnapshotEvent {
  /** The folder of the snapshot. */
  folder: ProtectedFolder;
  /** The result of taking the snapshot. */
  report: SnapshotReport;
}

/** Takes snapshots, and logs and shows the results. */
export class SnapshotRunner implements vscode.Disposable {
  /** Fires after each new snapshot that this runner takes. */
  readonly onDidSnapshot: vscode.Event<SnapshotEvent>;
  readonly #made = new vscode.EventEmitter<SnapshotEvent>();
  readonly #folders: ProtectedFolders;
  readonly #encrypted: EncryptedRepositories;
  readonly #log: vscode.LogOutputChannel;
  /**
   * The folders for which a failure was shown and no automatic snapshot has
   * succeeded since.
   */
  readonly #failed = new Set<ProtectedFolder>();
  /**
   * The folders for which the warning about the size was shown, until the size
   * of their snapshots is within the limit again.
   */
  readonly #large = new Set<ProtectedFolder>();

  constructor(
    folders: ProtectedFolders,
    encrypted: EncryptedRepositories,
    log: vscode.LogOutputChannel,
  ) {
    this.#folders = folders;
    this.#encrypted = encrypted;
    this.#log = log;
    this.onDidSnapshot = this.#made.event;
  }

  /**
   * Takes a snapshot of each folder at the user's request. A notification shows
   * the progress and a button that cancels the work.
   *
   * @param label The label of the snapshots, if they have one.
   */
  async takeManually(label?: string): Promise<void> {
    const folders = this.#folders.all;
    if (folders.length === 0) {
      void showInformation(noFolderText(this.#folders.virtualFolders));
      return;
    }
    const lines: string[] = [];
    const failures: string[] = [];
    for (const folder of folders) {
      await this.#encrypted.prepare(folder).catch((error) => {
        // The snapshot then fails, too, and its error is shown to the user.
        this.#log.error(
          `${folder.name}: cannot prepare the repository: ${explain(error)}`,
        );
      });
    }
    await withProgress("Taking a snapshot", async (signal, onProgress) => {
      for (const folder of folders) {
        const prefix = folders.length > 1 ? `${folder.name}: ` : "";
        try {
          const { snapshot, isNew } = await this.take(folder, label, {
            signal,
            onProgress,
            // The progress bar can show the progress of only one folder.
            measure: folders.length === 1,
          });
          lines.push(
            prefix +
              (isNew
                ? `snapshot taken, ${changedFiles(snapshot)}`
                : "nothing changed since the last snapshot"),
          );
        } catch (error) {
          if (isCancelled(error)) throw error;
          // Snapshots of the other folders are still taken.
          failures.push(failureText(folder, error));
        }
      }
    });
    for (const failure of failures) {
      void showFailure(failure, this.#log);
    }
    if (lines.length === 0) return;
    const faults = folders.flatMap(({ faults }) => faults).length;
    // A text that begins with a folder's name keeps the case of the name.
    const text = folders.length > 1
      ? lines.join("; ")
      : lines[0][0].toUpperCase() + lines[0].slice(1);
    if (faults === 0) void showInformation(`${text}.`);
    else {
      const show = "Show Excluded and Skipped Files";
      const chosen = showWarning(
        `${text}. ${plural(faults, "path")} skipped.`,
        show,
      );
      void chosen.then((answer) => {
        if (answer === show) {
          return vscode.commands.executeCommand("deltar.showSkipped");
        }
      });
    }
  }

  /**
   * Takes a snapshot because of a trigger. If several snapshots in a row fail,
   * only the first failure is shown.
   *
   * @returns The duration of the work in milliseconds, without the time for
   * which the snapshot waited. `undefined` if the attempt failed or was
   * cancelled.
   */
  async takeAutomatically(
    folder: ProtectedFolder,
    reason: string,
    signal?: AbortSignal,
  ): Promise<number | undefined> {
    try {
      const options = { signal, ignoresFolderTimes: true };
      const { duration } = await this.take(folder, undefined, options, reason);
      this.#failed.delete(folder);
      return duration;
    } catch (error) {
      if (isCancelled(error)) return undefined;
      if (this.#failed.has(folder)) return undefined;
      this.#failed.add(folder);
      void showFailure(
        failureText(folder, error),
        this.#log,
      );
      return undefined;
    }
  }

  /**
   * Takes a snapshot of a folder and logs the result. If the snapshot is new,
   * fires `onDidSnapshot`.
   *
   * @param folder The folder.
   * @param label The label of the snapshot, if it has one.
   * @param options Options for taking the snapshot.
   * @param reason The reason for the snapshot, for the log.
   */
  async take(
    folder: ProtectedFolder,
    label: string | undefined,
    options: SnapshotOptions = {},
    reason = "manual",
  ): Promise<SnapshotReport> {
    const log = this.#log;
    const { name } = folder;
    try {
      const take = () => folder.snapshot(label, options);
      const report = await take().catch(async (error) => {
        if (await this.#encrypted.createUnasked(folder, error)) return take();
        throw error;
      });
      const { snapshot, isNew, skipped, duration } = report;
      const time = `${duration.toFixed(0)} ms`;
      if (isNew) {
        log.info(
          `${name}: snapshot ${snapshot.id} (${reason}` +
            `${
              label === undefined ? "" : `, label ${JSON.stringify(label)}`
            }), ` +
            `${changedFiles(snapshot)}, ${
              formatBytes(snapshot.counts.stored)
            } ` +
            `stored, ${time}`,
        );
      } else log.info(`${name}: nothing changed (${reason}), ${time}`);
      for (const { path, reason, detail, isFault } of skipped) {
        if (isFault) {
          log.warn(`${name}: ${path}: ${reason}${detail ? `: ${detail}` : ""}`);
        }
      }
      if (isNew) {
        this.#made.fire({ folder, report });
        this.#watchSize(folder).catch((error) => {
          log.warn(
            `${name}: cannot read the size of the repository: ${
              explain(error)
            }`,
          );
        });
      }
      return report;
    } catch (error) {
      if (isCancelled(error)) {
        log.info(`${name}: snapshot cancelled (${reason})`);
      } else {
        log.error(
          `${name}: cannot take a snapshot (${reason}): ${explain(error)}`,
        );
      }
      throw error;
    }
  }

  dispose(): void {
    this.#made.dispose();
  }

  /**
   * Warns when the snapshots of a folder exceed the size limit. The user is
   * warned again only if the size was within the limit in the meantime.
   */
  async #watchSize(folder: ProtectedFolder): Promise<void> {
    const limit = sizeLimit();
    if (limit === 0) return;
    const { bytes } = await folder.reader.call("usage", {
      config: folder.config,
    });
    if (bytes <= limit) {
      this.#large.delete(folder);
      return;
    }
    if (this.#large.has(folder)) return;
    this.#large.add(folder);
    const prune = "Remove Old Snapshots\u2026";
    const settings = "Open Settings";
    void showWarning(
      `The snapshots of ${folder.name} use ${formatBytes(bytes)}, ` +
        `more than the limit of ${formatBytes(limit)}.`,
      prune,
      settings,
    ).then((answer) => {
      if (answer === prune) {
        return vscode.commands.executeCommand("deltar.prune");
      }
      if (answer === settings) {
        return vscode.commands.executeCommand(
          "workbench.action.openSettings",
          "deltar.storage",
        );
      }
    });
  }
}

/** Returns the message about a failed snapshot. */
function failureText({ name }: ProtectedFolder, error: unknown): string {
  return `Cannot take a snapshot of ${name}: ${explain(error)}`;
}
