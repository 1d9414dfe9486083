import * as vscode from "vscode";
import type { Progress } from "../../shared/protocol.ts";
import { CREATE_ENCRYPTED, ENTER_KEY, SET_CREDENTIALS } from "./explain.ts";
import { showError } from "./messages.ts";
import { asSentence, withoutLinks } from "./plain.ts";

/** The ids of the commands that messages advise the user to run, by title. */
const ADVISED: Readonly<Record<string, string>> = {
  [SET_CREDENTIALS]: "deltar.setCredentials",
  [ENTER_KEY]: "deltar.enterKey",
  [CREATE_ENCRYPTED]: "deltar.createEncrypted",
};

/** Matches a repository setting that a message advises the user to check. */
const SETTING = /deltar\.repository\.\w+/;

/** An action that a message advises the user to take. */
export interface Advised {
  /** The title of a button. */
  title: string;
  /** Takes the action. */
  run: () => unknown;
}

/**
 * Returns the actions that a message advises the user to take. For each command
 * that the message names, there is an action that runs the command. If the
 * message names a repository setting, there is an action that opens the
 * setting.
 */
export function advisedIn(message: string): Advised[] {
  const advised: Advised[] = Object.entries(ADVISED)
    .filter(([title]) => message.includes(title))
    .map(([title, command]) => ({
      title: `${title.replace("Deltar: ", "")}\u2026`,
      run: () => vscode.commands.executeCommand(command),
    }));
  const [setting] = SETTING.exec(message) ?? [];
  if (setting !== undefined) {
    advised.push({
      title: "Open Settings",
      run: () =>
        // The user settings do not include the settings of a remote machine.
        vscode.commands.executeCommand(
          vscode.env.remoteName === undefined
            ? "workbench.action.openSettings"
            : "workbench.action.openRemoteSettings",
          { query: setting },
        ),
    });
  }
  return advised;
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
    ...advisedIn(message),
    { title: "Show Log", run: () => log.show() },
  );
  await answer?.run();
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
          } \u2013 ${withoutLinks(path)}`,
          ...(allEntries && { increment: part - last }),
        });
        last = part;
      });
    },
  );
}
