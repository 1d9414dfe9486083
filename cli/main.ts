/**
 * The entry point of the command `deltar`.
 *
 * `commands.ts` lists the commands. Each command is in the file with its name,
 * which is loaded only when the command is needed. `program.ts` builds the
 * command line from all commands. `context.ts` has what all commands share: the
 * terminal, the amount of output, the signal of an interrupt, the opened
 * repositories and the exit code (`exit.ts`).
 *
 * `location.ts` finds the repository, and `begin.ts` and `open_repository.ts`
 * open it. `suggest.ts` finds snapshots and paths, and suggests a similar path
 * for a mistyped one. `other_words.ts` suggests commands to users of other
 * tools.
 *
 * `console.ts` prints results, messages and the progress line. `rate.ts`
 * computes the rate and the remaining time for this line. `text.ts` formats
 * values. `pager.ts` shows long results. `printed_lines.ts` makes the commands
 * that `snapshot`, `show` and `run` print. `failure.ts`, `refusal.ts` and
 * `advice.ts` put errors into words.
 *
 * `take_snapshot.ts` is shared by `snapshot`, `run`, `hook` and `import`, and
 * `restore_work.ts` by `restore`, `recover`, `undo` and `redo`.
 * `stream_source.ts` takes snapshots of archives, of standard input and of the
 * output of programs. `timestamp.ts` parses the times that a user types or that
 * names contain. `diff` compares two states (`compared_state.ts`), and prints a
 * patch in git's format (`git_patch.ts`, `git_binary.ts`) or a table of changed
 * lines (`diff_stat.ts`).
 *
 * `complete.ts` and `completion.ts` complete words in a shell. `mcp/server.ts`
 * describes the server that `mcp.ts` starts.
 *
 * @module
 */
import process from "node:process";
import { type Command, CommanderError } from "commander";
import { COMMANDS } from "./commands.ts";
import { Context } from "./context.ts";
import { EXIT } from "./exit.ts";
import { createProgram } from "./program.ts";

/** The commands that are not in `COMMANDS`, except `COMPLETE`. */
const OWN = ["help", "completion"];

/** The command that the scripts of `deltar completion` run. */
const COMPLETE = "complete";

/** The maximum time of the cleanup after an interrupt, in milliseconds. */
const MAX_CLEANUP_MS = 400;

/**
 * Runs a command line.
 *
 * @param words The command line, without the program's name.
 * @returns The exit code.
 */
export async function main(words: string[]): Promise<number> {
  const interrupt = new AbortController();
  // The handler is installed when a command first reads the signal. Commands
  // that never read the signal have nothing to clean up, so an interrupt ends
  // them immediately.
  const context = new Context(() => {
    if (process.listenerCount("SIGINT") > 0) return interrupt.signal;
    process.on("SIGINT", () => {
      if (!context.isInterruptible) return;
      // A second interrupt ends the process immediately.
      if (interrupt.signal.aborted) process.exit(EXIT.interrupted);
      interrupt.abort(new Error("SIGINT"));
      setTimeout(() => void leave(), MAX_CLEANUP_MS).unref();
    });
    return interrupt.signal;
  });
  if (words[0] === COMPLETE) {
    const { answerShell } = await import("./completion.ts");
    await answerShell(
      words.slice(1),
      (names) => createProgram(context, names),
      context.terminal,
    );
    return EXIT.done;
  }
  let isTold = false;
  /**
   * Reports the interrupt, unless an error has already been reported, and ends
   * the process. Called if the command does not stop within `MAX_CLEANUP_MS`.
   * The process can be ended safely at any time.
   */
  const leave = async () => {
    const { fail } = await import("./failure.ts");
    const { DeltarError } = await import("../mod.ts");
    if (isTold) process.exit(EXIT.interrupted);
    const error = new DeltarError("aborted", "interrupted");
    process.exit(fail(error, context.json, context));
  };
  const line = toType(words);
  try {
    const program = await createProgram(context, needed(line[0]));
    await suggest(program, words);
    await program.parseAsync(line, { from: "user" });
    return context.code;
  } catch (error) {
    if (error instanceof CommanderError) {
      if (error.exitCode === 0) return EXIT.done;
      // If `deltar hook` ended with the exit code for wrong usage, the agent
      // would block the action that called the hook.
      return line[0] === "hook" ? EXIT.failed : EXIT.usage;
    }
    const { fail } = await import("./failure.ts");
    isTold = true;
    return fail(error, context.json, context);
  }
}

/**
 * Returns the words to parse. `help X` becomes `X --help`. If the first word is
 * an unknown command, returns only this word, so that the unknown command is
 * reported even if `--help` or `--version` follows.
 */
function toType(words: string[]): string[] {
  const [first = "", second] = words;
  if (first === "help" && second !== undefined) {
    return toType([...words.slice(1), "--help"]);
  }
  return isCommand(first) ? words : words.slice(0, 1);
}

/**
 * If the user typed a command or an option of another tool, reports wrong usage
 * and says what to type instead.
 */
async function suggest(
  program: Command,
  words: readonly string[],
): Promise<void> {
  const { suggestionFor } = await import("./other_words.ts");
  const [first = ""] = words;
  const isKnown = isCommand(first);
  const found = suggestionFor(words, isKnown);
  if (found === undefined) return;
  const { word, text } = found;
  const kind = isKnown ? "option" : "command";
  program.error(`error: unknown ${kind} '${word}'. In deltar, ${text}.`, {
    exitCode: EXIT.usage,
  });
}

/** Returns whether a word is an option, or a command that users can type. */
function isCommand(word: string): boolean {
  return word.startsWith("-") || OWN.includes(word) ||
    Object.hasOwn(COMMANDS, word);
}

/**
 * Returns the names of the commands to load for a command line with this first
 * word. Returns no names if the word is not a command.
 */
function needed(first = ""): string[] {
  const isKnown = Object.hasOwn(COMMANDS, first) || OWN.includes(first);
  return isKnown ? [first] : [];
}
