import type { CommandLine } from "./command_line.ts";

/** The first line of the plugin. deltar recognizes the plugin by this line. */
export const PLUGIN_HEAD =
  "// Written by `deltar agent install`; `deltar agent uninstall` deletes this.";

/**
 * Returns the source of the plugin for OpenCode. The plugin runs the hook and
 * waits until it has finished. OpenCode 1 calls `server`, and OpenCode 2 calls
 * `setup`. A failure of the hook never stops the agent.
 */
export function pluginText({ words, windows }: CommandLine): string {
  return `${PLUGIN_HEAD}
import { spawn } from "node:child_process";
import { homedir } from "node:os";

const WORDS = ${JSON.stringify(words)};
// Windows runs scripts such as deltar.cmd only in a shell.
const LINE = ${JSON.stringify(windows)};

/** Runs the hook with an event, and waits until it has finished. */
function hook(event) {
  return new Promise((resolve) => {
    const options = {
      cwd: homedir(),
      stdio: ["pipe", "ignore", "ignore"],
      windowsHide: true,
    };
    const child = process.platform === "win32"
      ? spawn(LINE, { ...options, shell: true })
      : spawn(WORDS[0], WORDS.slice(1), options);
    child.once("error", resolve);
    child.once("close", resolve);
    child.stdin.on("error", () => {});
    child.stdin.end(JSON.stringify(event));
  });
}

function eventsOf(cwd) {
  return {
    prompt: (session_id, prompt) =>
      hook({ hook_event_name: "UserPromptSubmit", cwd, session_id, prompt }),
    tool: (session_id, tool_name) =>
      hook({ hook_event_name: "PreToolUse", cwd, session_id, tool_name }),
    idle: (session_id) =>
      hook({ hook_event_name: "session.idle", cwd, session_id }),
  };
}

export default {
  id: "deltar",
  async server({ directory }) {
    const events = eventsOf(directory);
    return {
      "chat.message": ({ sessionID }, { parts = [] }) =>
        events.prompt(sessionID, parts.find(({ text }) => text)?.text),
      "tool.execute.before": ({ sessionID, tool }) =>
        events.tool(sessionID, tool),
      event: async ({ event }) => {
        if (event.type === "session.idle") {
          await events.idle(event.properties.sessionID);
        }
      },
    };
  },
  async setup(context) {
    const events = eventsOf(context.location.directory);
    await context.session.hook(
      "prompt",
      ({ sessionID, prompt }) => events.prompt(sessionID, prompt?.text),
    );
    await context.tool.hook(
      "execute.before",
      ({ sessionID, tool }) => events.tool(sessionID, tool),
    );
  },
};
`;
}

/**
 * Returns the words of the hook's command in the source of the plugin, or
 * `undefined` if the text is not the source of deltar's plugin.
 */
export function pluginWords(text: string): string[] | undefined {
  const words = /^const WORDS = (\[.*\]);$/m.exec(text)?.[1];
  if (!text.startsWith(PLUGIN_HEAD) || words === undefined) return undefined;
  try {
    return JSON.parse(words).map(String);
  } catch {
    return undefined;
  }
}
