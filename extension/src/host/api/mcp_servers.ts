import type * as vscode from "vscode";
import { programFile } from "../../../../shared/program_files.ts";
import { expandHome } from "../../../../shared/user_folder.ts";
import type { FolderConfig } from "../../shared/protocol.ts";
import type { ProtectedFolder } from "../folders/protected_folder.ts";
import type { ProtectedFolders } from "../folders/protected_folders.ts";

/** The id that `package.json` declares for the provider of MCP servers. */
const PROVIDER = "deltar.servers";

/** The parts of the VS Code API that this file uses. */
type Editor =
  & Pick<
    typeof vscode,
    "Disposable" | "EventEmitter" | "lm" | "McpStdioServerDefinition"
  >
  & {
    workspace: Pick<
      typeof vscode.workspace,
      | "getConfiguration"
      | "isTrusted"
      | "onDidChangeConfiguration"
      | "onDidGrantWorkspaceTrust"
    >;
  };

/** The parts of the extension that this file uses. */
interface Parts {
  folders: Pick<ProtectedFolders, "all" | "onDidChange">;
  log: Pick<vscode.LogOutputChannel, "info">;
}

/**
 * Offers VS Code an MCP server for each folder that has snapshots: the program
 * `deltar mcp`, with the repository and the exclude rules that the extension
 * uses for the folder. A folder has no server if the key of its repository is
 * in the keychain, which `deltar` does not read, or if `canBePassed` returns
 * `false` for its arguments. There are no servers in Restricted Mode, or if the
 * program `deltar` is not found. Looks for the program only when VS Code asks
 * for the servers.
 *
 * @param editor The API of VS Code. If the API has no MCP servers, nothing is
 * offered.
 */
export function offerMcpServers(
  editor: Editor,
  { folders, log }: Parts,
): vscode.Disposable {
  const { workspace } = editor;
  if (
    typeof editor.lm?.registerMcpServerDefinitionProvider !== "function" ||
    editor.McpStdioServerDefinition === undefined
  ) return new editor.Disposable(() => {});
  const changed = new editor.EventEmitter<void>();
  /** The folder of each server, by the label of the server. */
  let served = new Map<string, ProtectedFolder>();
  let logged: string | undefined;
  const tell = (message: string | undefined) => {
    if (message !== undefined && message !== logged) log.info(message);
    logged = message;
  };
  const withSnapshots = () =>
    folders.all.filter(({ hasSnapshots }) => hasSnapshots)
      .map(({ uri }) => `${uri}`).join("\n");
  let known = withSnapshots();
  const provider: vscode.McpServerDefinitionProvider<
    vscode.McpStdioServerDefinition
  > = {
    onDidChangeMcpServerDefinitions: changed.event,
    async provideMcpServerDefinitions() {
      if (!workspace.isTrusted) return [];
      const setting = workspace.getConfiguration("deltar").get("command", "");
      const name = expandHome(setting.trim()) || "deltar";
      const command = programFile(name);
      tell(
        command === undefined
          ? `agents get no MCP server, because the program ${name} was not ` +
            "found; install it, or set deltar.command to its path"
          : undefined,
      );
      if (command === undefined) return [];
      const found = new Map<string, ProtectedFolder>();
      for (const folder of folders.all) {
        if (!await canBeServed(folder)) continue;
        if (!canBePassed(command, mcpArguments(folder.config))) {
          log.info(
            `agents get no MCP server for ${folder.config.directory}, because ` +
              `${command} cannot safely receive the folder's path, repository ` +
              "or exclude patterns; set deltar.command to the path of deltar.exe",
          );
          continue;
        }
        const label = folders.all.length === 1
          ? "deltar"
          : `deltar: ${folder.config.directory}`;
        found.set(label, folder);
      }
      served = found;
      return [...found].map(([label, { config }]) =>
        new editor.McpStdioServerDefinition(
          label,
          command,
          mcpArguments(config),
        )
      );
    },
    resolveMcpServerDefinition(server) {
      // VS Code stores the definitions of the servers. The S3 credentials must
      // not be stored with them, so they are added only when a server starts.
      server.env = { ...served.get(server.label)?.config.env };
      return server;
    },
  };
  return editor.Disposable.from(
    changed,
    folders.onDidChange(() => {
      const now = withSnapshots();
      if (now === known) return;
      known = now;
      changed.fire();
    }),
    workspace.onDidGrantWorkspaceTrust(() => changed.fire()),
    workspace.onDidChangeConfiguration((event) => {
      if (event.affectsConfiguration("deltar")) changed.fire();
    }),
    editor.lm.registerMcpServerDefinitionProvider(PROVIDER, provider),
  );
}

/**
 * Returns whether a folder has snapshots that the program `deltar` can read.
 */
async function canBeServed(folder: ProtectedFolder): Promise<boolean> {
  try {
    const snapshots = await folder.snapshots();
    return snapshots.length > 0 &&
      await folder.keys.get(folder.config) === undefined;
  } catch {
    // The log of the folder has the reason.
    return false;
  }
}

/**
 * Returns whether arguments reach a program unchanged. VS Code starts a batch
 * file in a shell, in which some characters have a special meaning.
 */
export function canBePassed(
  command: string,
  words: readonly string[],
): boolean {
  return !/\.(?:cmd|bat)$/i.test(command) ||
    !words.some((word) => /["%&|<>^]/.test(word));
}

/** Returns the arguments that start `deltar` as the MCP server of a folder. */
export function mcpArguments(
  { directory, repository, excludes, ...rules }: FolderConfig,
): string[] {
  const { gitignore, excludeCaches, excludeLargerThan } = rules;
  return [
    "mcp",
    directory,
    `--repo=${repository}`,
    ...excludes.map((pattern) => `--exclude=${pattern}`),
    ...gitignore ? ["--gitignore"] : [],
    ...excludeCaches ? ["--exclude-caches"] : [],
    ...excludeLargerThan === undefined
      ? []
      : [`--exclude-larger-than=${excludeLargerThan}B`],
  ];
}
