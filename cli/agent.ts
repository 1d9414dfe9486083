import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { Argument, Command } from "commander";
import { DeltarError } from "../mod.ts";
import {
  type Commands,
  type ConfigFile,
  type Host,
  HOSTS,
  type Scope,
} from "./agent/hosts.ts";
import { commandLine, deltarWords } from "./agent/command_line.ts";
import { lastFired } from "./agent/fired.ts";
import {
  type Change,
  installing,
  isInstalledIn,
  uninstalling,
} from "./agent/installation.ts";
import { ask, canAsk } from "./ask.ts";
import { Console } from "./console.ts";
import type { Context } from "./context.ts";
import { EXIT } from "./exit.ts";
import { absolute } from "./location.ts";
import { programFiles } from "./program_files.ts";
import { messageOf } from "./refusal.ts";
import { formatDate, showPath } from "./text.ts";

interface Options {
  user?: boolean;
  yes?: boolean;
  json?: boolean;
}

/** The work on the files of one host. */
interface Work {
  host: Host;
  changes: Change[];
  error?: string;
}

const HELP = `
install adds hooks, which take a snapshot before each step of an agent, and
the MCP server, which gives the agent the snapshots. Without names, it does this
for the agents that are found on this machine. Everything else in the files stays
as it is. uninstall brings the files back as they were. Without --user, the files
are in the project: the nearest folder with .git, or else the current one.
Without a terminal and --yes, the command prints the plan, changes nothing and
exits with 1.`;

/** Makes the command `deltar agent`. */
export function agentCommand(context: Context): Command {
  return new Command("agent")
    .addArgument(
      new Argument("<action>", "What to do")
        .choices(["install", "status", "uninstall"]),
    )
    .addArgument(
      new Argument("[name...]", "The agents").choices(
        HOSTS.map(({ id }) => id),
      ),
    )
    .option("--user", "Use your own settings, for all projects")
    .option("--yes", "Write the files without asking")
    .addHelpText("after", HELP)
    .action(async (action: string, names: string[], options: Options) => {
      const out = new Console(context, options.json ?? false);
      const named = HOSTS.filter(({ id }) => names.includes(id));
      if (action === "status") {
        return status(context, out, named.length > 0 ? named : HOSTS);
      }
      const scope: Scope = options.user ? "user" : "project";
      const isInstall = action === "install";
      const found = isInstall ? HOSTS.filter(isFound) : HOSTS;
      const hosts = named.length > 0 ? named : found;
      if (hosts.length === 0) {
        throw new DeltarError(
          "not-found",
          "no agent was found on this machine; name one: " +
            HOSTS.map(({ id }) => id).join(", "),
        );
      }
      await change(context, out, hosts, scope, isInstall, options);
    });
}

async function change(
  context: Context,
  out: Console,
  hosts: readonly Host[],
  scope: Scope,
  isInstall: boolean,
  { yes }: Options,
): Promise<void> {
  const root = scope === "user" ? "" : projectFolder();
  const plan = isInstall ? installing : uninstalling;
  const works = hosts.map((host): Work => {
    try {
      return { host, changes: filesOf(host, scope, root).map(plan) };
    } catch (error) {
      return { host, changes: [], error: messageOf(error, context.opened) };
    }
  });
  const isDue = works.some(({ changes }) => changes.some(isChange));
  if (!out.json) show(out, works, isInstall);
  if (isDue && !yes) {
    if (out.json || !canAsk()) {
      if (out.json) print(out, works, scope, isInstall, false);
      out.warn("nothing was written. Repeat the command with `--yes`.");
      context.code = EXIT.failed;
      return;
    }
    if (!await ask(out, "Write this?", context.signal)) {
      throw new DeltarError("aborted", "interrupted");
    }
  }
  for (const work of works) {
    try {
      for (const one of work.changes) one.apply();
    } catch (error) {
      work.error = messageOf(error, context.opened);
    }
  }
  const failed = works.filter(({ error }) => error !== undefined);
  if (out.json) print(out, works, scope, isInstall, true);
  for (const { host, error } of failed) out.warn(`${host.title}: ${error}`);
  if (failed.length > 0) {
    context.code = failed.length < works.length ? EXIT.partial : EXIT.failed;
  }
  if (out.json) return;
  if (isDue && failed.length < works.length) {
    out.line(isInstall ? "Installed." : "Uninstalled.");
  }
  for (const { host, error } of isInstall ? works : []) {
    const next = host.next?.(scope, commandsOf(host, scope));
    if (next !== undefined && error === undefined) out.line(next);
  }
}

function isChange({ action }: Change): boolean {
  return action !== "none";
}

function show(out: Console, works: readonly Work[], isInstall: boolean): void {
  for (const { host, changes, error } of works) {
    if (error !== undefined) continue;
    if (!changes.some(isChange)) {
      out.line(
        `${host.title}: ${isInstall ? "already installed" : "not installed"}`,
      );
    }
    for (const { path, action, texts } of changes.filter(isChange)) {
      out.line(`${host.title}: ${action} ${showPath(path)}`);
      if (isInstall) {
        for (const text of texts) {
          for (const line of text.split(/\r?\n/)) {
            if (line.trim() !== "") out.line(`  + ${line}`);
          }
        }
      }
    }
  }
}

function print(
  out: Console,
  works: readonly Work[],
  scope: Scope,
  isInstall: boolean,
  isDone: boolean,
): void {
  out.object(isInstall ? "agent-install" : "agent-uninstall", {
    scope,
    isDone,
    agents: works.map(({ host, changes, error }) => ({
      name: host.id,
      files: changes.map(({ path, action, texts }) => ({
        path,
        action,
        texts,
      })),
      error,
    })),
  });
}

function status(
  { opened }: Context,
  out: Console,
  hosts: readonly Host[],
): void {
  const root = projectFolder();
  const rows = hosts.map((host) => {
    const scopes = (["user", "project"] as const).map((scope) => {
      try {
        const files = filesOf(host, scope, root);
        return { [scope]: files.some(isInstalledIn) };
      } catch (error) {
        return { [scope]: false, error: messageOf(error, opened) };
      }
    });
    const fired = lastFired(host.id);
    const state: Record<string, unknown> = Object.assign({}, ...scopes);
    return {
      name: host.id,
      title: host.title,
      isFound: isFound(host),
      user: state.user === true,
      project: state.project === true,
      fired,
      error: state.error as string | undefined,
    };
  });
  if (out.json) {
    return out.object("agent-status", {
      agents: rows.map(({ title: _, ...row }) => row),
    });
  }
  for (const { title, isFound, user, project, fired, error } of rows) {
    const places = [user ? "for all projects" : "", project ? "here" : ""]
      .filter(Boolean).join(" and ");
    const words = [
      isFound ? "found on this machine" : "not found on this machine",
      places ? `hooks installed ${places}` : "no hooks installed",
      fired === undefined
        ? "no hook has run"
        : `a hook last ran ${formatDate(fired)}`,
    ];
    out.line(`${title}: ${error ?? words.join(", ")}`);
  }
}

/** Returns whether a host seems to be installed on this machine. */
function isFound({ programs, folder }: Host): boolean {
  return existsSync(folder()) ||
    programs.some((name) => programFiles(name).length > 0);
}

function filesOf(host: Host, scope: Scope, root: string): ConfigFile[] {
  return host.files(scope, root, commandsOf(host, scope));
}

function commandsOf(host: Host, scope: Scope): Commands {
  const words = deltarWords(scope === "project");
  return {
    hook: commandLine(words, ["hook", "--host", host.id]),
    server: commandLine(words, ["mcp"]),
  };
}

/**
 * Returns the folder of the project: the nearest folder with `.git`, or else
 * the current one.
 */
function projectFolder(): string {
  const start = absolute(".");
  for (let at = start;; at = dirname(at)) {
    if (existsSync(join(at, ".git"))) return at;
    if (dirname(at) === at) return start;
  }
}
