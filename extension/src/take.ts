import * as vscode from "vscode";
import type { Context } from "./context.ts";
import { explain, isCancelled, SET_KEYS } from "./explain.ts";
import type { Guard } from "./guard.ts";
import type { Progress, SnapshotReport } from "./protocol.ts";
import { budget } from "./settings.ts";
import { changedOf } from "./snapshots_view.ts";
import { formatBytes, plural } from "./text.ts";

/** The event of a snapshot that was taken. */
export interface SnapshotEvent {
  /** The folder it is of. */
  guard: Guard;
  /** The result. */
  report: SnapshotReport;
}

/** Takes snapshots, says how they went, and tells who listens. */
export class Taker implements vscode.Disposable {
  /** Fires after each snapshot that was made. */
  readonly onDidSnapshot: vscode.Event<SnapshotEvent>;
  readonly #made = new vscode.EventEmitter<SnapshotEvent>();
  readonly #context: Context;
  /** Folders whose failure, and whose size, was told already. */
  readonly #told = new Set<Guard>();
  readonly #large = new Set<Guard>();

  constructor(context: Context) {
    this.#context = context;
    this.onDidSnapshot = this.#made.event;
  }

  /** Takes one for the user, with progress that can be cancelled. */
  async byHand(label?: string): Promise<void> {
    const { guards } = this.#context;
    if (guards.all.length === 0) {
      void vscode.window.showInformationMessage(
        "Open a folder to take snapshots of it.",
      );
      return;
    }
    const lines: string[] = [];
    const failures: string[] = [];
    await withProgress("Taking a snapshot", async (signal, onProgress) => {
      for (const guard of guards.all) {
        const folder = guards.all.length > 1 ? `${guard.folder.name}: ` : "";
        try {
          const { snapshot, isNew } = await this.take(guard, label, {
            signal,
            onProgress,
            // A bar is for one folder.
            measure: guards.all.length === 1,
          });
          lines.push(
            folder +
              (isNew
                ? `snapshot taken, ${changedOf(snapshot)}`
                : "nothing changed since the last snapshot"),
          );
        } catch (error) {
          if (isCancelled(error)) throw error;
          // The other folders get theirs.
          failures.push(folder + explain(error));
        }
      }
    });
    for (const failure of failures) {
      void tellFailure(failure, this.#context.log);
    }
    if (lines.length === 0) return;
    const faults = guards.all.flatMap(({ faults }) => faults).length;
    // A folder's name stays as it is.
    const text = guards.all.length > 1
      ? lines.join("; ")
      : lines[0][0].toUpperCase() + lines[0].slice(1);
    if (faults === 0) void vscode.window.showInformationMessage(`${text}.`);
    else {
      const show = "Show What Was Left Out";
      const chosen = vscode.window.showWarningMessage(
        `${text}. ${plural(faults, "path")} could not be kept.`,
        show,
      );
      void chosen.then((answer) => {
        if (answer === show) {
          return vscode.commands.executeCommand("deltar.showSkipped");
        }
      });
    }
  }

  /** Takes one unasked; only a first failure interrupts the user. */
  async byItself(guard: Guard, reason: string): Promise<void> {
    try {
      await this.take(guard, undefined, {}, reason);
      this.#told.delete(guard);
    } catch (error) {
      if (this.#told.has(guard)) return;
      this.#told.add(guard);
      void tellFailure(
        `${guard.folder.name} is not protected: ${explain(error)}`,
        this.#context.log,
      );
    }
  }

  /** Takes one. */
  async take(
    guard: Guard,
    label: string | undefined,
    options: {
      signal?: AbortSignal;
      onProgress?: (progress: Progress) => void;
      measure?: boolean;
    } = {},
    reason = "asked for",
  ): Promise<SnapshotReport> {
    const { log } = this.#context;
    const { name } = guard.folder;
    try {
      const report = await guard.snapshot(label, options);
      const { snapshot, isNew, skipped, duration } = report;
      const time = `${duration.toFixed(0)} ms`;
      if (isNew) {
        log.info(
          `${name}: snapshot ${snapshot.id} (${reason}` +
            `${label === undefined ? "" : `, called ${label}`}), ` +
            `${changedOf(snapshot)}, ${formatBytes(snapshot.counts.stored)} ` +
            `stored, ${time}`,
        );
      } else log.info(`${name}: nothing changed (${reason}), ${time}`);
      for (const { path, reason, detail, isFault } of skipped) {
        if (isFault) {
          log.warn(`${name}: ${path}: ${reason}${detail ? `: ${detail}` : ""}`);
        }
      }
      if (isNew) {
        this.#made.fire({ guard, report });
        this.#watchSize(guard).catch((error) => {
          log.warn(`${name}: how much is stored: ${explain(error)}`);
        });
      }
      return report;
    } catch (error) {
      if (isCancelled(error)) log.info(`${name}: cancelled (${reason})`);
      else log.error(`${name}: no snapshot (${reason}): ${explain(error)}`);
      throw error;
    }
  }

  dispose(): void {
    this.#made.dispose();
  }

  /** Warns, once, when the snapshots of a folder outgrow what they may take. */
  async #watchSize(guard: Guard): Promise<void> {
    const most = budget();
    if (most === 0) return;
    const { bytes } = await guard.reader.call("usage", { place: guard.place });
    if (bytes <= most) {
      this.#large.delete(guard);
      return;
    }
    if (this.#large.has(guard)) return;
    this.#large.add(guard);
    const prune = "Remove Old Snapshots\u2026";
    const settings = "Open Settings";
    void vscode.window.showWarningMessage(
      `The snapshots of ${guard.folder.name} take ${formatBytes(bytes)}, ` +
        `more than the limit of ${formatBytes(most)}.`,
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

/** Says what failed, with the way to the log. */
export async function tellFailure(
  message: string,
  log: vscode.LogOutputChannel,
): Promise<void> {
  const show = "Show Log";
  const setKeys = "Set S3 Credentials";
  const answer = await vscode.window.showErrorMessage(
    message,
    ...message.includes(SET_KEYS) ? [setKeys] : [],
    show,
  );
  if (answer === show) log.show();
  if (answer === setKeys) {
    await vscode.commands.executeCommand("deltar.setCredentials");
  }
}

/** Long work that the user asked for: it shows how far it is, and can end. */
export async function withProgress(
  title: string,
  work: (
    signal: AbortSignal,
    onProgress: (progress: Progress) => void,
  ) => Promise<void>,
): Promise<void> {
  const location = vscode.ProgressLocation.Notification;
  await vscode.window.withProgress(
    { location, title, cancellable: true },
    async (progress, token) => {
      const controller = new AbortController();
      token.onCancellationRequested(() => controller.abort());
      let last = 0;
      await work(controller.signal, ({ entries, allEntries, path }) => {
        const part = allEntries ? 100 * entries / allEntries : 0;
        progress.report({
          message: `${entries.toLocaleString("en")}${
            allEntries ? ` of ${allEntries.toLocaleString("en")}` : ""
          } \u2013 ${path}`,
          ...(allEntries && { increment: part - last }),
        });
        last = part;
      });
    },
  );
}
