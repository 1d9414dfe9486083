import { appendFileSync, mkdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { text } from "node:stream/consumers";
import { Command } from "commander";
import { Console } from "./console.ts";
import type { Context } from "./context.ts";
import { EXIT } from "./exit.ts";
import { userFolder } from "./location.ts";
import { keepToSize } from "./max_size.ts";
import { messageOf, refusalOf, repositoryOf } from "./refusal.ts";
import {
  addTakeOptions,
  sourceOf,
  type TakeOptions,
  takeSnapshot,
} from "./take_snapshot.ts";
import { redact, showText } from "./text.ts";

/** The input that an agent passes to a hook. */
interface AgentEvent {
  /** The event and the tool, such as `PreToolUse Edit`. */
  title: string;
  /** Where the agent works. */
  directory?: string;
}

/** The size in bytes at which the log starts again. */
const LONGEST_LOG = 1_000_000;

const HELP = `
An agent runs this before it uses a tool, and gives it JSON on standard input:
VS Code, Claude Code and Copilot CLI all do. Nothing is printed, and no snapshot
is made if nothing changed. The agent is never held up by a failure: it is told
on standard error and in hook.log in your data folder, and the exit code is 0;
for wrong usage it is 1, as 2 would forbid the tool.`;

/** `deltar hook`. */
export function hookCommand(context: Context): Command {
  return addTakeOptions(new Command("hook"))
    .argument("[dir]", "the directory; by default where the agent works")
    .addHelpText("after", HELP)
    .action(async (
      dir: string | undefined,
      options: TakeOptions,
      command: Command,
    ) => {
      if (process.stdin.isTTY) {
        command.error("error: an agent runs this, with JSON for its input");
      }
      const out = new Console(context, false);
      let title = "agent";
      let directory = dir ?? process.env.CLAUDE_PROJECT_DIR;
      try {
        const event = readEvent(await text(process.stdin));
        title = `agent: ${event.title}`;
        const source = directory === undefined
          ? { ...sourceOf(event.directory), isNamed: false }
          : sourceOf(directory);
        directory = source.place;
        const { signal } = context;
        const how = { ...options, label: title, onlyIfChanged: true };
        const taken = await takeSnapshot(context, out, source, how);
        if (taken.result.isNew) {
          await keepToSize(out, taken.repository, options, signal);
        }
      } catch (error) {
        const { opened } = context;
        const repository = refusalOf(error, opened)
          ? undefined
          : repositoryOf(error, opened);
        const message = messageOf(error, opened) +
          (repository === undefined ? "" : ` (in ${repository})`);
        out.warn(`no snapshot was taken: ${message}`);
        log(`${title} in ${directory ?? "."}: ${message}`);
      }
      context.code = EXIT.done;
    });
}

/**
 * Reads what an agent says. Claude Code and VS Code name fields in snake case,
 * as Copilot CLI does for events in Pascal case; other versions of the last two
 * name them in camel case, and Copilot CLI then leaves the event out.
 */
function readEvent(json: string): AgentEvent {
  let fields: unknown;
  try {
    fields = JSON.parse(json);
  } catch {
    // Said below.
  }
  if (typeof fields !== "object" || fields === null) {
    throw new TypeError("the input of the agent is not a JSON object");
  }
  const get = (...names: string[]) => {
    const found = names.map((name) => (fields as Record<string, unknown>)[name])
      .find((value) => typeof value === "string" && value !== "");
    return found as string | undefined;
  };
  const title = [
    get("hook_event_name", "hookEventName"),
    get("tool_name", "toolName"),
  ].filter((word) => word !== undefined).join(" ").slice(0, 100);
  return { title: title || "a hook", directory: get("cwd") };
}

/** Where failures are noted. */
export function hookLog(): string {
  return join(userFolder("data"), "hook.log");
}

/** Notes a failure where the user finds it. */
function log(what: string): void {
  const file = hookLog();
  const line = `${new Date().toISOString()} ${showText(redact(what))}\n`;
  try {
    mkdirSync(userFolder("data"), { recursive: true, mode: 0o700 });
    const size = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
    if (size > LONGEST_LOG) writeFileSync(file, line, { mode: 0o600 });
    else appendFileSync(file, line, { mode: 0o600 });
  } catch {
    // Then standard error has it alone.
  }
}
