import * as vscode from "vscode";
import type { Progress } from "../../shared/protocol.ts";
import { SET_CREDENTIALS } from "./explain.ts";

/** Shows a failure, with a button that opens the log. */
export async function showFailure(
  message: string,
  log: vscode.LogOutputChannel,
): Promise<void> {
  const show = "Show Log";
  const setCredentials = "Set S3 Credentials";
  const answer = await vscode.window.showErrorMessage(
    message,
    ...message.includes(SET_CREDENTIALS) ? [setCredentials] : [],
    show,
  );
  if (answer === show) log.show();
  if (answer === setCredentials) {
    await vscode.commands.executeCommand("deltar.setCredentials");
  }
}

/**
 * Runs work that the user asked for. A notification shows the progress and a
 * button that cancels the work.
 *
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
          } \u2013 ${path}`,
          ...(allEntries && { increment: part - last }),
        });
        last = part;
      });
    },
  );
}
