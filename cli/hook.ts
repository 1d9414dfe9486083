import { Buffer } from "node:buffer";
import { appendFileSync, mkdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { Command, InvalidArgumentError, Option } from "commander";
import type { TurnRecord } from "../lib/repository/mod.ts";
import { answerTo } from "./agent/answer.ts";
import { noteFired } from "./agent/fired.ts";
import { HOSTS } from "./agent/hosts.ts";
import { type AgentEvent, readEvent } from "./agent_event.ts";
import { advanceTurn, type TurnStep } from "./agent_turn.ts";
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

interface Options extends TakeOptions {
  agent?: string;
  host?: string;
  prompt: boolean;
}

/** The maximum size of the log, in bytes. A larger log is overwritten. */
const MAX_LOG_BYTES = 1_000_000;

/** The maximum size of the input from an agent, in bytes. */
const MAX_INPUT_BYTES = 64_000_000;

const HELP = `
AI agents can run this command before each use of a tool, with JSON on standard
input. If nothing has changed, no snapshot is made. Cursor and Gemini CLI get
JSON on standard output, which lets them continue. For all other agents, nothing
is printed on standard output.

A failure never stops the agent: it is written to standard error and to hook.log
in your data folder, and the exit code is 0. For wrong usage the exit code is 1,
because an agent treats 2 as a veto.`;

/** Makes the command `deltar hook`. */
export function hookCommand(context: Context): Command {
  return addTakeOptions(new Command("hook"))
    .argument("[dir]", "The directory (default: the one the agent works in)")
    .option(
      "--agent <name>",
      "Store this name for the agent (default: detected from the input)",
      agentName,
    )
    .addOption(
      new Option(
        "--host <name>",
        "Record that the hook of this agent ran, for `deltar agent status`",
      ).choices(HOSTS.map(({ id }) => id)),
    )
    .option("--no-prompt", "Do not store the first line of the prompt")
    .addHelpText("after", HELP)
    .action(async (
      dir: string | undefined,
      options: Options,
      command: Command,
    ) => {
      if (process.stdin.isTTY) {
        command.error(
          "error: standard input must be JSON from an agent, not a terminal",
        );
      }
      const out = new Console(context, false);
      let title = "agent";
      const host = HOSTS.find(({ id }) => id === options.host);
      if (host !== undefined) noteFired(host.id);
      const fixed = options.agent ??
        (host?.agent.isFixed ? host.agent.name : undefined);
      let agent = fixed ?? "agent";
      let kind: AgentEvent["kind"] = "other";
      let outcome = "no snapshot was made";
      let directory = dir ?? process.env.CLAUDE_PROJECT_DIR;
      let step: TurnStep | undefined;
      const report = (message: string, before = "") => {
        out.warn(before + message);
        log(`${title} in ${directory ?? "."}: ${message}`);
      };
      try {
        const input = await readInput();
        if (input === undefined) {
          report("the input from the agent is ignored: more than 64 MB");
        }
        const event = readEvent(input ?? "{}");
        title = `agent: ${event.title}`;
        if (fixed !== undefined) event.agent = fixed;
        else if (host !== undefined && event.agent === "agent") {
          event.agent = host.agent.name;
        }
        ({ agent, kind } = event);
        if (!options.prompt) event.prompt = undefined;
        if (event.worktree !== undefined) {
          directory = undefined;
          event.directory = event.worktree;
        }
        const source = directory === undefined
          ? { ...sourceOf(event.directory ?? "."), isNamed: false }
          : sourceOf(directory);
        directory = source.place;
        const { signal } = context;
        const how = {
          ...options,
          label: title,
          onlyIfChanged: true,
          turn: (place: string, last: TurnRecord | undefined) => {
            step = advanceTurn(event, place, last);
            return step.turn;
          },
        };
        const taken = await takeSnapshot(context, out, source, how);
        try {
          step?.note(taken.result.record.id);
        } catch (error) {
          report(
            `the state of the turn was not stored: ${
              messageOf(error, context.opened)
            }`,
          );
        }
        if (taken.result.isNew) {
          outcome = "the snapshot was made, but the size limit was not applied";
          await keepToSize(out, taken.repository, options, signal);
        }
      } catch (error) {
        const { opened } = context;
        const repository = refusalOf(error, opened)
          ? undefined
          : repositoryOf(error, opened);
        const message = messageOf(error, opened) +
          (repository === undefined ? "" : ` (in ${repository})`);
        report(message, `${outcome}: `);
      }
      const answer = answerTo(agent, kind);
      if (answer !== undefined) out.line(answer);
      context.code = EXIT.done;
    });
}

/**
 * Reads standard input to its end. Returns the text, or `undefined` if the
 * input is larger than `MAX_INPUT_BYTES`.
 */
async function readInput(): Promise<string | undefined> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  // A longer input is also read to its end, so that the agent can finish
  // writing.
  for await (const chunk of process.stdin) {
    size += chunk.length;
    if (size <= MAX_INPUT_BYTES) chunks.push(chunk);
    else chunks.length = 0;
  }
  return size <= MAX_INPUT_BYTES
    ? Buffer.concat(chunks).toString("utf8")
    : undefined;
}

/** Checks the name of an agent that the user typed, and returns the name. */
function agentName(text: string): string {
  if (/^[\w.-]{1,64}$/.test(text)) return text;
  throw new InvalidArgumentError(
    "The name must have 1 to 64 ASCII letters, digits, `.`, `_` and `-`.",
  );
}

/** Returns the path of the log file for failures. */
export function hookLog(): string {
  return join(userFolder("data"), "hook.log");
}

/** Appends a failure to the log, or overwrites a log that is too large. */
function log(what: string): void {
  const file = hookLog();
  const line = `${new Date().toISOString()} ${showText(redact(what))}\n`;
  try {
    mkdirSync(userFolder("data"), { recursive: true, mode: 0o700 });
    const size = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
    if (size > MAX_LOG_BYTES) writeFileSync(file, line, { mode: 0o600 });
    else appendFileSync(file, line, { mode: 0o600 });
  } catch {
    // The failure has already been printed to standard error.
  }
}
