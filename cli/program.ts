import { Command, Help } from "commander";
import { VERSION } from "../lib/version.ts";
import { COMMANDS, type Entry } from "./commands.ts";
import type { Context } from "./context.ts";
import { addExamples } from "./examples.ts";
import { EXIT } from "./exit.ts";

/** The pattern of default values that the help does not show. */
const NO_DEFAULT = / \(default: (?:\[\]|false|"")\)$/;

/** The name of the argument of `deltar run`. */
const PROGRAM = "program";

/**
 * The name that commander gives to the value of `--stdin-from-command`. With
 * this option, `deltar snapshot` runs its arguments as a command.
 */
const STDIN_FROM_COMMAND = "stdinFromCommand";

/** The name of the command that prints a shell's completion script. */
const COMPLETION = "completion";

/**
 * Makes the program that parses the command line and runs the commands.
 *
 * @param context The context of the commands.
 * @param names The commands to load. Other commands have only a name and a
 *   summary. By default, all commands are loaded.
 */
export async function createProgram(
  context: Context,
  names: readonly string[] = [...Object.keys(COMMANDS), COMPLETION],
): Promise<Command> {
  const program = new Command("deltar")
    .description("Incremental snapshots of directories, stored anywhere")
    .version(VERSION, "-V, --version", "Print the version")
    .helpCommand("help [command]", "Show the help of a command")
    .showSuggestionAfterError()
    // The words after the program of `deltar run` are arguments of the program.
    .enablePositionalOptions()
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
    const { json, quiet, verbose } = command.optsWithGlobals();
    if (json) context.json = true;
    if (quiet || verbose) context.verbosity = verbose ? "verbose" : "quiet";
    context.interrupted = COMMANDS[command.name()]?.interrupted;
  });
  const completion = names.includes(COMPLETION)
    ? (await import("./completion.ts")).completionCommand(context)
    : new Command(COMPLETION);
  const summary = "Print the completion script of a shell";
  program.addCommand(completion.summary(summary).description(summary));
  addExamples(program);
  settle(program);
  return program;
}

/** Sets the summary of a command, and adds its common options. */
function addShared(command: Command, { summary, shared }: Entry): Command {
  command.summary(summary);
  if (command.description() === "") command.description(summary);
  if (shared.includes("repo")) {
    command.option("--repo <location>", "Use this repository");
  }
  if (shared.includes("dir")) {
    command.option(
      "--dir <dir>",
      "Use the snapshots of this directory, not of the current one",
    );
  }
  if (shared.includes("json")) {
    command.option("--json", "Print the result as JSON");
  }
  if (shared.includes("volume")) {
    const hasJson = shared.includes("json");
    command.option(
      "-q, --quiet",
      "Print only warnings and errors" +
        (hasJson ? "; with --json, also the result" : ""),
    );
    command.option(
      "-v, --verbose",
      `Print details${hasJson ? "; with --json, progress instead" : ""}`,
    );
  }
  return command;
}

const EPILOGUE = `
The repository is the one that --repo names, or else $DELTAR_REPOSITORY, or else
a folder for each directory under your data folder.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 done except for what the output
names, 130 interrupted.`;

/**
 * Refuses empty arguments and empty values of options, which an unset shell
 * variable can cause. Most commands would treat an empty value as the current
 * directory or as all paths. Two kinds of arguments may be empty: the text of
 * `deltar label`, because an empty text removes the label, and the words of a
 * command that deltar runs.
 */
function refuseEmpty(command: Command): void {
  const isRun = command.getOptionValue(STDIN_FROM_COMMAND) !== undefined;
  const mayBeEmpty = ["text", PROGRAM, ...isRun ? ["dir"] : []];
  const empty = [
    ...command.registeredArguments.map((argument, at) => ({
      // An omitted argument is not checked, because its default can be empty.
      word: at < command.args.length ? command.processedArgs[at] : undefined,
      name: argument.name(),
    })),
    ...command.options.map((option) => ({
      word: command.getOptionValue(option.attributeName()),
      name: option.flags,
    })),
  ].find(({ word, name }) =>
    !mayBeEmpty.includes(name) &&
    (Array.isArray(word) ? word : [word]).includes("")
  );
  if (empty === undefined) return;
  command.error(`error: '${empty.name}' is empty: give a value`, {
    exitCode: EXIT.usage,
  });
}

/**
 * Makes a command and its subcommands throw an error instead of ending the
 * process, because `main` returns the exit code. Also adds the option `--help`,
 * and the line that names the help after a usage error.
 */
function settle(command: Command): void {
  command.exitOverride().helpOption("-h, --help", "Show this help");
  for (const child of command.commands) {
    child.copyInheritedSettings(command).enablePositionalOptions(false);
    child.showHelpAfterError(`\nSee \`deltar help ${child.name()}\`.`);
    settle(child);
  }
}
