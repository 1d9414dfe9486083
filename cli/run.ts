import { type ChildProcess, spawn } from "node:child_process";
import { constants } from "node:os";
import process from "node:process";
import { Command } from "commander";
import { DeltarError, DiffIndex } from "../mod.ts";
import { codeOf } from "../shared/error_code.ts";
import { plural } from "../shared/text.ts";
import { Console } from "./console.ts";
import type { Context } from "./context.ts";
import {
  changeFields,
  changeLines,
  rootChange,
  skipOf,
  skipsByPath,
  withoutMoved,
} from "./change_line.ts";
import { EXIT } from "./exit.ts";
import { fail } from "./failure.ts";
import { parseLabel } from "./label_text.ts";
import { keepToSize } from "./max_size.ts";
import { addCreateOptions } from "./open_repository.ts";
import { diffLine, restoreInPlace } from "./printed_lines.ts";
import { reasonOf } from "./refusal.ts";
import {
  addTakeOptions,
  sourceOf,
  type Taken,
  type TakeOptions,
  takeSnapshot,
} from "./take_snapshot.ts";
import { formatDuration, shellWord, showText } from "./text.ts";

interface Options extends TakeOptions {
  dir?: string;
  json?: boolean;
}

/** The signals that deltar passes on to the command. */
const PASSED_ON = ["SIGTERM", "SIGHUP"] as const;

/**
 * The time after the end of the command, in milliseconds, during which
 * interrupts are ignored. The terminal sends an interrupt to the command and to
 * this process. This process might learn of the command's end before it
 * receives the interrupt.
 */
const LATE_INTERRUPT_MS = 200;

const HELP = `
The changes are printed on standard error. With --json, all output of the
command is written to standard error, and standard output has only the result.

Exit codes: that of the command, or 128 plus the number of the signal that ended
it; 125 if the first snapshot failed, so that the command was not run, or if the
command exited with 0 and the second snapshot failed; 126 if the command could
not be started, 127 if there is no such command.`;

/** Makes the command `deltar run`. */
export function runCommand(context: Context): Command {
  return addCreateOptions(addTakeOptions(new Command("run")))
    .description(
      "Take a snapshot, run a command, take another snapshot, and show what " +
        "the command changed. The command uses this terminal",
    )
    .usage("[options] -- <program> [argument...]")
    .argument("<program...>", "The command to run, with its arguments")
    .passThroughOptions()
    .option(
      "--dir <dir>",
      "Take snapshots of this directory (default: the one that `deltar " +
        "snapshot` chooses)",
    )
    .option(
      "--label <text>",
      "Label the snapshots `before <text>` and `after <text>`",
      (text: string) => {
        parseLabel(labelOf("before", text));
        return parseLabel(text);
      },
    )
    .addHelpText("after", HELP)
    .action(async (words: string[], options: Options, command: Command) => {
      if (words[0] === "") command.error("error: the command is empty");
      context.code = await run(context, words, options);
    });
}

/** The outcome of a command that has ended. */
interface Ended {
  /** The exit code of the command. Absent if a signal ended the command. */
  exitCode?: number;
  /** The signal that ended the command, if any. */
  signal?: NodeJS.Signals;
}

async function run(
  context: Context,
  words: readonly string[],
  options: Options,
): Promise<number> {
  const { json = false } = options;
  const out = new Console(context, json, 2);
  let before: Taken;
  try {
    before = await take(context, out, "before", options);
    await keepToSize(out, before.repository, options, context.signal);
    if (context.signal.aborted) throw new DeltarError("aborted", "interrupted");
  } catch (error) {
    const code = fail(error, json, context);
    return code === EXIT.interrupted ? code : EXIT.noSnapshot;
  }
  out.clear();
  const started = performance.now();
  let ended: Ended;
  context.isInterruptible = false;
  try {
    ended = await runProgram(words, json);
  } catch (error) {
    const isMissing = codeOf(error) === "ENOENT";
    const why = isMissing
      ? "no such program. Check the program's name, or use `sh -c` for a " +
        "shell command"
      : reasonOf(error);
    const what = `cannot run ${words[0]}: ${why}`;
    fail(new DeltarError(isMissing ? "not-found" : "io", what), json, context);
    return isMissing ? EXIT.noProgram : EXIT.notRunnable;
  } finally {
    setTimeout(() => context.isInterruptible = true, LATE_INTERRUPT_MS).unref();
  }
  const elapsed = performance.now() - started;
  context.interrupted =
    "the command has ended, but there is no snapshot of what it changed";
  const code = codeOfProcess(ended);
  try {
    const after = await take(context, out, "after", {
      ...options,
      // The directory may be empty: the command might have deleted everything.
      allowEmpty: true,
    });
    await report(out, words, before, after, ended, elapsed);
    return code;
  } catch (error) {
    const own = fail(error, json, context);
    const line = restoreInPlace(before.result.record, before.location);
    out.note(`restore the state before the command with: ${line}`);
    if (code !== EXIT.done) return code;
    return own === EXIT.interrupted ? own : EXIT.noSnapshot;
  }
}

/** Takes the snapshot before or after the command. */
async function take(
  context: Context,
  out: Console,
  when: "before" | "after",
  { dir, ...options }: Options,
): Promise<Taken> {
  const { label } = options;
  return await takeSnapshot(context, out, sourceOf(...dir ? [dir] : []), {
    ...options,
    ...label !== undefined && { label: labelOf(when, label) },
  });
}

function labelOf(when: "before" | "after", text: string): string {
  return `${when} ${text}`;
}

/**
 * Runs a command on this terminal, and waits for its end. Passes the signals in
 * `PASSED_ON` on to the command. Interrupts need not be passed on, because the
 * terminal sends them to the command, too.
 *
 * @param words The program and its arguments.
 * @param toError Whether the command's standard output is passed to standard
 * error.
 * @throws {Error} The system's error, if the program cannot be started.
 */
async function runProgram(
  [program, ...args]: readonly string[],
  toError: boolean,
): Promise<Ended> {
  let child: ChildProcess | undefined;
  const passOn = PASSED_ON.map((name) => {
    const listener = () => send(child?.pid, name);
    process.on(name, listener);
    return () => process.off(name, listener);
  });
  try {
    const begun = child = spawn(program, args, {
      stdio: ["inherit", toError ? process.stderr : "inherit", "inherit"],
    });
    return await new Promise((resolve, reject) => {
      begun.once("error", reject);
      begun.once("exit", (code, signal) =>
        resolve({
          ...code !== null && { exitCode: code },
          ...signal !== null && { signal },
        }));
    });
  } finally {
    for (const stop of passOn) stop();
  }
}

/**
 * Sends a signal to a process, unless the process has not started or has ended.
 * `ChildProcess.kill` is not used. In Deno, it sends only one signal, and the
 * `exit` event then reports this signal instead of the exit code.
 */
function send(pid: number | undefined, name: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(pid, name);
  } catch {
    // The process has ended.
  }
}

function codeOfProcess({ exitCode, signal }: Ended): number {
  if (signal !== undefined) return 128 + constants.signals[signal];
  return exitCode ?? EXIT.failed;
}

/** Prints how the command ended, and what it changed. */
async function report(
  out: Console,
  words: readonly string[],
  { result: { record: before }, location }: Taken,
  { repository, result }: Taken,
  ended: Ended,
  elapsed: number,
): Promise<void> {
  const { record: after, skipped } = result;
  // Another process might have taken a snapshot while the command was running.
  const diff = before.id === (result.isNew ? after.parent : after.id)
    ? result.diff
    : DiffIndex.compute(
      (await repository.tree(after)).index,
      (await repository.tree(before)).index,
    );
  const changes = [
    ...rootChange(before, after),
    ...withoutMoved(diff.changes),
  ];
  const skips = skipsByPath(skipped);
  const restore = restoreInPlace(before, location);
  if (out.json) {
    out.object("run", {
      command: words,
      ...ended,
      elapsed: Math.round(elapsed),
      repository: location,
      before: before.id,
      after: after.id,
      changes: changes.map((change) =>
        changeFields(change, skipOf(change, skips))
      ),
      restore,
    });
    return;
  }
  const line = showText(words.map(shellWord).join(" "));
  const how = ended.signal !== undefined
    ? `was ended by ${ended.signal}`
    : `exited with ${ended.exitCode}`;
  const told = `\`${line}\` ${how} after ${formatDuration(elapsed)}`;
  if (changes.length === 0) {
    out.line(`${told} and changed nothing.`);
    return;
  }
  out.line(`${told} and changed ${plural(changes.length, "path")}:`);
  const rest = `. Show all of them with:\n  ${
    diffLine(before, after, location)
  }`;
  const lines = changeLines(
    changes,
    [before, after],
    skips,
    rest,
    process.stderr,
  );
  for (const line of lines) out.line(`  ${line}`);
  out.line(`Restore the state before the command with:\n  ${restore}`);
}
