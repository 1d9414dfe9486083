import { CREATE_ENCRYPTED, ENTER_KEY, SET_CREDENTIALS } from "./explain.ts";

/** The ids of the commands that messages advise the user to run, by title. */
const COMMANDS: Readonly<Record<string, string>> = {
  [SET_CREDENTIALS]: "deltar.setCredentials",
  [ENTER_KEY]: "deltar.enterKey",
  [CREATE_ENCRYPTED]: "deltar.createEncrypted",
};

/** Matches the name of a setting that a message advises the user to check. */
const SETTING = /deltar\.repository\.\w+/;

/**
 * An action that a message advises the user to take: to run a command or to
 * check a setting.
 */
export type Advice =
  | { title: string; command: string }
  | { title: string; setting: string };

/**
 * Returns the actions that messages advise the user to take, each once. For each
 * command that a message names, there is an action that runs the command. If a
 * message names a repository setting, there is an action that opens the setting.
 */
export function advisedIn(...messages: readonly string[]): Advice[] {
  // The keys are the ids of commands and the names of settings. Titles would
  // not be unique: all actions that open a setting have the same title.
  const advised = new Map<string, Advice>();
  for (const message of messages) {
    for (const [title, command] of Object.entries(COMMANDS)) {
      if (!message.includes(title)) continue;
      const short = `${title.replace("Deltar: ", "")}\u2026`;
      advised.set(command, { title: short, command });
    }
    const [setting] = SETTING.exec(message) ?? [];
    if (setting !== undefined) {
      advised.set(setting, { title: "Open Settings", setting });
    }
  }
  return [...advised.values()];
}
