import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { absolute } from "../location.ts";
import { commandLine, deltarWords } from "./command_line.ts";
import type { Commands, ConfigFile, Host, Scope } from "./hosts.ts";

/** Returns the files of a host for a scope, with what deltar writes to them. */
export function filesOf(host: Host, scope: Scope): ConfigFile[] {
  const root = scope === "user" ? "" : projectFolder();
  return host.files(scope, root, commandsOf(host, scope));
}

/** Returns the commands of deltar that a host runs in a scope. */
export function commandsOf(host: Host, scope: Scope): Commands {
  const words = deltarWords(scope === "project");
  return {
    hook: commandLine(words, ["hook", "--host", host.id]),
    server: commandLine(words, ["mcp"]),
  };
}

/**
 * Returns the folder of the project: the current folder or its nearest parent
 * that contains `.git`, or else the current folder.
 */
function projectFolder(): string {
  const start = absolute(".");
  for (let at = start;; at = dirname(at)) {
    if (existsSync(join(at, ".git"))) return at;
    if (dirname(at) === at) return start;
  }
}
