import { existsSync } from "node:fs";
import { Argument, Command } from "commander";
import { DeltarError } from "../mod.ts";
import { lastFired } from "./agent/fired.ts";
import { commandsOf, filesOf } from "./agent/host_files.ts";
import { type Host, HOSTS, type Scope } from "./agent/hosts.ts";
import { type Change, installing, uninstalling } from "./agent/installation.ts";
import { type InstalledHook, installedHooks } from "./agent/installed_hooks.ts";
import { ask, canAsk, declined } from "./ask.ts";
import { Console } from "./console.ts";
import type { Context } from "./context.ts";
import { EXIT } from "./exit.ts";
import { programFiles } from "../shared/program_files.ts";
import { messageOf } from "./refusal.ts";
import { formatDate, shellWord, showPath, showText } from "./text.ts";

interface Options {
  user?: boolean;
  yes?: boolean;
  json?: boolean;
}

/**
 * The changes to the files of one host, or the error that prevents these
 * changes.
 */
interface Work {
  host: Host;
  changes: Change[];
  error?: string;
}

const HELP = `
install adds hooks, which take a snapshot before each step of an agent, and the
MCP server, which gives the agent access to the snapshots. Without names,
install does this for the agents that are found on this machine. Hooks that you
wrote and everything else in the files stay as they are. uninstall reverts what
install wrote. status shows the command of each hook, and when a hook last ran.
Without --user, the files are in the project: the nearest folder with .git, or
else the current folder. Without --yes and without a terminal on which to ask,
the command prints the plan, changes nothing and exits with 1.`;

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
    .option("--user", "Use your own settings, which apply to all projects")
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
  const plan = isInstall ? installing : uninstalling;
  const works = hosts.map((host): Work => {
    try {
      const changes = filesOf(host, scope).map(plan);
      // The receipt of the first file that an install wrote into a new folder
      // names this folder. An uninstall changes this file last, so that it can
      // then delete the empty folder.
      return { host, changes: isInstall ? changes : changes.toReversed() };
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
    if (!await ask(out, "Write these changes?", context.signal)) {
      throw declined("nothing was written");
    }
  }
  for (const work of works) {
    const done: (() => void)[] = [];
    try {
      for (const one of work.changes) done.push(one.apply());
    } catch (error) {
      work.error = messageOf(error, context.opened);
      // An agent must not be left with only some of its files changed, so the
      // changes to its other files are reverted.
      for (const takeBack of done.toReversed()) {
        try {
          takeBack();
        } catch (error) {
          const why = messageOf(error, context.opened);
          work.error +=
            `; another file of this agent could not be reverted: ${why}`;
        }
      }
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
    for (const { path, notes } of changes) {
      for (const note of notes) {
        out.line(`${host.title}: ${showPath(path)}: ${showText(note)}`);
      }
    }
    for (const one of changes.filter(isChange)) {
      const { path, target, action, texts } = one;
      const link = target === path ? "" : `, a link to ${showPath(target)}`;
      out.line(`${host.title}: ${action} ${showPath(path)}${link}`);
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
      files: changes.map(({ path, action, texts, notes }) => ({
        path,
        action,
        texts,
        notes,
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
  const rows = hosts.map((host) => {
    let hooks: InstalledHook[] = [];
    let error: string | undefined;
    try {
      hooks = installedHooks(host);
    } catch (caught) {
      error = messageOf(caught, opened);
    }
    return {
      host,
      isFound: isFound(host),
      hooks,
      fired: lastFired(host.id),
      error,
    };
  });
  if (out.json) {
    return out.object("agent-status", {
      agents: rows.map(({ host, ...row }) => ({ name: host.id, ...row })),
    });
  }
  for (const { host: { title }, isFound, hooks, fired, error } of rows) {
    const words = [
      isFound ? "found on this machine" : "not found on this machine",
      hooks.length > 0 ? "hooks installed" : "no hooks installed",
      fired === undefined
        ? "no hook has run"
        : `a hook last ran ${formatDate(fired)}`,
    ];
    out.line(`${title}: ${error ?? words.join(", ")}`);
    for (const { scope, words, missing } of hooks) {
      const place = scope === "user" ? "all projects" : "this project";
      const command = showText(words.map(shellWord).join(" "));
      const fault = missing === undefined
        ? ""
        : `; ${showPath(missing)} does not exist`;
      out.line(`  ${place}: ${command}${fault}`);
    }
  }
}

/** Returns whether a host seems to be installed on this machine. */
function isFound({ programs, folder }: Host): boolean {
  return existsSync(folder()) ||
    programs.some((name) => programFiles(name).length > 0);
}
