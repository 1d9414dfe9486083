import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";
import process from "node:process";
import type { CommandLine } from "./command_line.ts";
import { pluginText } from "./opencode_plugin.ts";

/** The scope of hooks: all projects of the user, or one project. */
export type Scope = "user" | "project";

/** An addition to a JSON file. */
export type Addition =
  /**
   * An element to append to the array at a path. A missing array is created.
   */
  | { array: readonly string[]; item: object }
  /** A value to add as the property at a path, unless this property exists. */
  | { property: readonly string[]; value: unknown };

/** A configuration file, with the additions to it or its whole text. */
export type ConfigFile =
  & { path: string }
  & ({ additions: Addition[] } | { text: string });

/** The commands of deltar that a host runs. */
export interface Commands {
  /** The command that runs the hook. */
  hook: CommandLine;
  /** The command that starts the MCP server. */
  server: CommandLine;
}

/** A program that runs AI agents. */
export interface Host {
  /** The name that the user types, such as `claude-code`. */
  id: string;
  /** The name that is shown to the user, such as `Claude Code`. */
  title: string;
  /**
   * The name of the agent in snapshots. If `isFixed` is false, other agents can
   * also run the hooks in the files of this host. The name is then used only if
   * the input of the hook does not show which agent ran the hook.
   */
  agent: { name: string; isFixed: boolean };
  /** The names of the programs that the host installs on the `PATH`. */
  programs: readonly string[];
  /**
   * Called without arguments. Returns the folder in which the host keeps the
   * user's configuration.
   */
  folder: () => string;
  /**
   * Called with one scope. Returns the files of this scope, with what deltar
   * writes to them.
   *
   * @param scope The scope of the hooks.
   * @param root The folder of the project; empty for the scope `user`.
   * @param commands The commands to write into the files.
   */
  files: (scope: Scope, root: string, commands: Commands) => ConfigFile[];
  /**
   * Called after an install. Returns advice on the next steps, as sentences, or
   * `undefined` if there is nothing left to do.
   */
  next?: (scope: Scope, commands: Commands) => string | undefined;
}

const isWindows = process.platform === "win32";

/**
 * Returns the folder that an environment variable names, or else the default
 * folder in the home folder. A relative path in the variable is ignored.
 *
 * @param name The name of the variable.
 * @param otherwise The parts of the path from the home folder to the default
 * folder.
 */
function folderOf(name: string, ...otherwise: string[]): string {
  const named = process.env[name] ?? "";
  return isAbsolute(named) ? named : join(homedir(), ...otherwise);
}

const claudeFolder = () => folderOf("CLAUDE_CONFIG_DIR", ".claude");
const codexFolder = () => folderOf("CODEX_HOME", ".codex");
const copilotFolder = () => folderOf("COPILOT_HOME", ".copilot");
const geminiFolder = () => join(homedir(), ".gemini");
const cursorFolder = () => join(homedir(), ".cursor");
const opencodeFolder = () =>
  join(folderOf("XDG_CONFIG_HOME", ".config"), "opencode");

/**
 * Returns one addition for each event: the hook in a group, as in the settings
 * of Claude Code.
 *
 * @param events The matcher of the group by event; `undefined` for no matcher.
 * @param handler The hook.
 */
function groups(
  events: Readonly<Record<string, string | undefined>>,
  handler: object,
): Addition[] {
  return Object.entries(events).map(([event, matcher]) => ({
    array: ["hooks", event],
    item: { ...matcher !== undefined && { matcher }, hooks: [handler] },
  }));
}

/** Returns one addition for each event: the hook itself, without a group. */
function handlers(events: readonly string[], handler: object): Addition[] {
  return events.map((event) => ({ array: ["hooks", event], item: handler }));
}

/**
 * Returns the addition that registers the MCP server.
 *
 * @param property The path of the object that lists the servers.
 * @param more The type of the server, if the host requires a type, and
 * arguments to append to the command.
 */
function serverAt(
  property: readonly string[],
  { words: [command, ...args] }: CommandLine,
  more: { type?: string; args?: string[] } = {},
): Addition {
  const { type, args: others = [] } = more;
  return {
    property: [...property, "deltar"],
    value: {
      ...type !== undefined && { type },
      command,
      args: [...args, ...others],
    },
  };
}

const VERSION: Addition = { property: ["version"], value: 1 };

/** The hosts, in the order in which they are shown. */
export const HOSTS: readonly Host[] = [
  {
    // See code.claude.com/docs/en/hooks and code.claude.com/docs/en/mcp.
    // VS Code and Cursor also run these hooks.
    id: "claude-code",
    title: "Claude Code",
    agent: { name: "claude-code", isFixed: false },
    programs: ["claude"],
    folder: claudeFolder,
    files: (scope, root, { hook, server }) => [
      {
        path: join(
          scope === "user" ? claudeFolder() : join(root, ".claude"),
          "settings.json",
        ),
        additions: groups({
          UserPromptSubmit: undefined,
          PreToolUse: "Edit|Write|NotebookEdit|Bash|PowerShell",
          Stop: undefined,
          WorktreeRemove: undefined,
        }, {
          type: "command",
          command: isWindows ? hook.windows : hook.posix,
        }),
      },
      // Claude Code often rewrites the file with the user's servers, so deltar
      // does not edit this file. `next` names a command that adds the server.
      ...scope === "project"
        ? [{
          path: join(root, ".mcp.json"),
          additions: [serverAt(["mcpServers"], server, { type: "stdio" })],
        }]
        : [],
    ],
    next: (scope, { server }) =>
      scope === "user"
        ? "To give Claude Code access to the snapshots, run `claude mcp add " +
          `--scope user deltar -- ${shown(server)}\`.`
        : "Claude Code asks once whether to use the server in `.mcp.json`.",
  },
  {
    // developers.openai.com/codex/hooks: hooks.json must not have any fields
    // except `description` and `hooks`.
    id: "codex",
    title: "Codex",
    agent: { name: "codex", isFixed: true },
    programs: ["codex"],
    folder: codexFolder,
    files: (scope, root, { hook }) => [{
      path: join(
        scope === "user" ? codexFolder() : join(root, ".codex"),
        "hooks.json",
      ),
      additions: groups({
        UserPromptSubmit: undefined,
        PreToolUse: undefined,
        Stop: undefined,
      }, {
        type: "command",
        command: isWindows ? hook.windows : hook.posix,
        ...hook.isPortable && { commandWindows: hook.windows },
      }),
    }],
    next: (_, { server }) =>
      "Codex runs a new hook only after you have trusted it. To trust it, type " +
      "`/hooks` in Codex. To give Codex access to the snapshots, run `codex " +
      `mcp add deltar -- ${shown(server)}\`.`,
  },
  {
    // VS Code reads `command`. Copilot CLI reads `bash` and `powershell`, and
    // accepts the names that VS Code gives to events. See
    // code.visualstudio.com/docs/agents/reference/hooks-reference and
    // docs.github.com/copilot/reference/hooks-reference.
    id: "copilot",
    title: "VS Code and Copilot CLI",
    // VS Code and Copilot CLI can pass the same fields to the hook. The name of
    // the agent is then `copilot`.
    agent: { name: "copilot", isFixed: false },
    programs: ["copilot", "code"],
    folder: copilotFolder,
    files: (scope, root, { hook, server }) => [
      {
        path: scope === "user"
          ? join(copilotFolder(), "hooks", "deltar.json")
          : join(root, ".github", "hooks", "deltar.json"),
        additions: [
          VERSION,
          ...handlers(["UserPromptSubmit", "PreToolUse", "Stop"], {
            type: "command",
            command: hook.windows,
            ...!isWindows || hook.isPortable ? { bash: hook.posix } : {},
            ...isWindows || hook.isPortable
              ? { powershell: hook.powershell }
              : {},
          }),
        ],
      },
      ...scope === "project"
        ? [{
          path: join(root, ".vscode", "mcp.json"),
          additions: [
            serverAt(["servers"], server, {
              type: "stdio",
              args: ["${workspaceFolder}"],
            }),
          ],
        }]
        : [],
    ],
    next: (scope) =>
      scope === "user"
        ? "VS Code does not read these hooks. For VS Code, install the hooks " +
          "of a project or those of Claude Code, or use the extension."
        : undefined,
  },
  {
    // geminicli.com/docs/hooks/reference: standard output must be JSON.
    id: "gemini-cli",
    title: "Gemini CLI",
    agent: { name: "gemini-cli", isFixed: true },
    programs: ["gemini"],
    folder: geminiFolder,
    files: (scope, root, { hook, server }) => [{
      path: join(
        scope === "user" ? geminiFolder() : join(root, ".gemini"),
        "settings.json",
      ),
      additions: [
        ...groups({
          BeforeAgent: undefined,
          BeforeTool: "run_shell_command|write_file|replace",
          AfterAgent: undefined,
        }, {
          type: "command",
          name: "deltar",
          command: isWindows ? hook.powershell : hook.posix,
        }),
        serverAt(["mcpServers"], server),
      ],
    }],
  },
  {
    // cursor.com/docs/agent/hooks, cursor.com/docs/context/mcp
    id: "cursor",
    title: "Cursor",
    agent: { name: "cursor", isFixed: true },
    programs: ["cursor", "cursor-agent"],
    folder: cursorFolder,
    files: (scope, root, { hook, server }) => {
      const folder = scope === "user" ? cursorFolder() : join(root, ".cursor");
      return [
        {
          path: join(folder, "hooks.json"),
          additions: [
            VERSION,
            ...handlers(["beforeSubmitPrompt", "preToolUse", "stop"], {
              command: isWindows ? hook.windows : hook.posix,
            }),
          ],
        },
        {
          path: join(folder, "mcp.json"),
          additions: [
            serverAt(["mcpServers"], server, { args: ["${workspaceFolder}"] }),
          ],
        },
      ];
    },
  },
  {
    // opencode.ai/docs/plugins, opencode.ai/docs/mcp-servers
    id: "opencode",
    title: "OpenCode",
    agent: { name: "opencode", isFixed: true },
    programs: ["opencode"],
    folder: opencodeFolder,
    files: (scope, root, { hook, server }) => {
      const folder = scope === "user"
        ? opencodeFolder()
        : join(root, ".opencode");
      const configs = ["opencode.jsonc", "opencode.json"].map((name) =>
        join(scope === "user" ? folder : root, name)
      );
      return [
        { path: join(folder, "plugins", "deltar.js"), text: pluginText(hook) },
        {
          path: configs.find((path) => existsSync(path)) ?? configs[1],
          additions: [{
            property: ["mcp", "deltar"],
            value: { type: "local", command: server.words, enabled: true },
          }],
        },
      ];
    },
  },
];

/** Returns a command as the user can type it in a terminal. */
function shown({ posix, powershell }: CommandLine): string {
  return isWindows ? powershell : posix.replace("cd / && ", "");
}
