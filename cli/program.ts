import { Command, Help } from "commander";
import { VERSION } from "../lib/version.ts";
import { COMMANDS, type Entry } from "./commands.ts";
import type { Context } from "./context.ts";
import { addExamples } from "./examples.ts";
import { EXIT } from "./exit.ts";

/** Defaults that say nothing. */
const NO_DEFAULT = / \(default: (?:\[\]|false|"")\)$/;

/** The command that prints a shell's script. */
const COMPLETION = "completion";

/**
 * The command line.
 *
 * @param context What commands are given.
 * @param names The commands that are needed; the others are names only. All by
 * default.
 */
export async function createProgram(
  context: Context,
  names: readonly string[] = [...Object.keys(COMMANDS), COMPLETION],
): Promise<Command> {
  const program = new Command("deltar")
    .description("Incremental snapshots of directories, stored anywhere")
    .version(VERSION)
    .showSuggestionAfterError()
    .showHelpAfterError("\nSee `deltar --help`.")
    .configureOutput({
      writeOut: (text) => context.terminal.tell(1, text),
      writeErr: (text) => context.terminal.tell(2, text),
    })
    .configureHelp({
      subcommandTerm: (command) => command.name(),
      optionDescription(option) {
        const text = Help.prototype.optionDescription.call(this, option);
        return text.replace(NO_DEFAULT, "");
      },
      argumentDescription(argument) {
        const text = Help.prototype.argumentDescription.call(this, argument);
        return text.replace(NO_DEFAULT, "");
      },
      minWidthToWrap: 30,
    })
    .addHelpText("after", EPILOGUE);
  const make = (more?: readonly string[]) => createProgram(context, more);
  for (const [name, entry] of Object.entries(COMMANDS)) {
    program.addCommand(
      names.includes(name)
        ? addShared(await entry.load(context, make), entry)
        : new Command(name).summary(entry.summary),
    );
  }
  program.hook("preAction", (_, command) => {
    refuseEmpty(command);
    const { quiet, verbose } = command.opts();
    if (quiet || verbose) context.verbosity = verbose ? "verbose" : "quiet";
    context.interrupted = COMMANDS[command.name()]?.interrupted;
  });
  const completion = names.includes(COMPLETION)
    ? (await import("./completion.ts")).completionCommand(context)
    : new Command(COMPLETION);
  const summary = "Print a shell's completion";
  program.addCommand(completion.summary(summary).description(summary));
  addExamples(program);
  settle(program);
  return program;
}

/** Adds what many commands have. */
function addShared(command: Command, { summary, shared }: Entry): Command {
  command.summary(summary);
  if (command.description() === "") command.description(summary);
  if (shared.includes("repo")) {
    command.option("--repo <location>", "where snapshots are kept");
  }
  if (shared.includes("dir")) {
    command.option(
      "--dir <dir>",
      "the directory whose snapshots are meant (default: the current one)",
    );
  }
  if (shared.includes("json")) {
    command.option("--json", "print the result as JSON");
  }
  if (shared.includes("volume")) {
    command.option("-q, --quiet", "say nothing but what went wrong");
    command.option("-v, --verbose", "say more; with --json, progress too");
  }
  return command;
}

const EPILOGUE = `
A repository is kept in $DELTAR_REPOSITORY, where --repo says, or else in a
folder per directory under your data folder.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 done but some files could not
be, each of them named; 130 interrupted.`;

/**
 * Refuses words that are empty, as an unset variable of a shell is: most would
 * name the current directory, or everything. A label may be empty.
 */
function refuseEmpty(command: Command): void {
  const empty = [
    ...command.registeredArguments.map((argument, at) => ({
      // One that was left out may well be empty by default.
      word: at < command.args.length ? command.processedArgs[at] : undefined,
      name: argument.name(),
    })),
    ...command.options.map((option) => ({
      word: command.getOptionValue(option.attributeName()),
      name: option.flags,
    })),
  ].find(({ word, name }) =>
    name !== "text" && (Array.isArray(word) ? word : [word]).includes("")
  );
  if (empty === undefined) return;
  command.error(`error: '${empty.name}' is empty: name it, or leave it out`, {
    exitCode: EXIT.usage,
  });
}

/** Makes each command throw rather than exit. */
function settle(command: Command): void {
  command.exitOverride();
  for (const child of command.commands) {
    child.copyInheritedSettings(command);
    child.showHelpAfterError(`\nSee \`deltar help ${child.name()}\`.`);
    settle(child);
  }
}
