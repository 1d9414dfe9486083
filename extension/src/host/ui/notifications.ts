import * as vscode from "vscode";
import type { Progress } from "../../shared/protocol.ts";
import { type Advice, advisedIn } from "./advice.ts";
import { showError } from "./messages.ts";
import { asSentence, withoutLinks } from "./plain.ts";

/** Takes an action that a message advises the user to take. */
export function takeAdvice(advice: Advice): Thenable<unknown> {
  if ("command" in advice) {
    return vscode.commands.executeCommand(advice.command);
  }
  // On a remote machine, the machine's own settings are opened, because the
  // user settings do not include them.
  return vscode.commands.executeCommand(
    vscode.env.remoteName === undefined
      ? "workbench.action.openSettings"
      : "workbench.action.openRemoteSettings",
    { query: advice.setting },
  );
}

/**
 * Shows a failure, with a button that opens the log, and a button for each
 * action that the message advises the user to take.
 */
export async function showFailure(
  message: string,
  log: vscode.LogOutputChannel,
): Promise<void> {
  const answer = await showError(
    asSentence(message),
    ...advisedIn(message).map((advice) => ({
      title: advice.title,
      run: () => takeAdvice(advice),
    })),
    { title: "Show Log", run: () => log.show() },
  );
  await answer?.run();
}

/**
 * Runs work that the user asked for. A notification shows the progress and a
 * button that cancels the work.
 *
 * @param title The title of the notification.
 * @param work Called once, with a signal that is aborted when the user cancels,
 * and with a function that shows the progress.
 * @returns The result of the work.
 */
export async function withProgress<T>(
  title: string,
  work: (
    signal: AbortSignal,
    onProgress: (progress: Progress) => void,
  ) => Promise<T>,
): Promise<T> {
  const location = vscode.ProgressLocation.Notification;
  return await vscode.window.withProgress(
    { location, title, cancellable: true },
    async (progress, token) => {
      const controller = new AbortController();
      token.onCancellationRequested(() => controller.abort());
      let last = 0;
      return await work(controller.signal, ({ entries, allEntries, path }) => {
        const part = allEntries ? 100 * entries / allEntries : 0;
        progress.report({
          message: `${entries.toLocaleString("en")}${
            allEntries ? ` of ${allEntries.toLocaleString("en")}` : ""
          } \u2013 ${withoutLinks(path)}`,
          ...(allEntries && { increment: part - last }),
        });
        last = part;
      });
    },
  );
}
