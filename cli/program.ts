import { Command, Help } from "commander";
import { VERSION } from "../mod.ts";
import { backupCommand } from "./backup.ts";
import { catCommand } from "./cat.ts";
import { addCompletion } from "./completion.ts";
import { setVerbosity } from "./console.ts";
import { copyCommand } from "./copy.ts";
import { diffCommand } from "./diff.ts";
import { doctorCommand } from "./doctor.ts";
import { EXIT } from "./exit.ts";
import { drillCommand } from "./drill.ts";
import { statsCommand } from "./stats.ts";
import { addExamples } from "./examples.ts";
import { forgetCommand } from "./forget.ts";
import { filesCommand } from "./files.ts";
import { labelCommand } from "./label.ts";
import { listCommand } from "./list.ts";
import { pruneCommand } from "./prune.ts";
import { rdiffCommand } from "./rdiff.ts";
import { repairCommand } from "./repair.ts";
import { redoCommand } from "./redo.ts";
import { restoreCommand } from "./restore.ts";
import { scheduleCommand } from "./schedule.ts";
import { snapshotCommand } from "./snapshot.ts";
import { undeleteCommand } from "./undelete.ts";
import { undoCommand } from "./undo.ts";
import { verifyCommand } from "./verify.ts";
import { whyCommand } from "./why.ts";
import type { Context } from "./context.ts";

/** The command line with all its commands. */
export function createProgram(context: Context): Command {
  const program = new Command("deltar")
    .description("Incremental snapshots of directories, stored anywhere")
    .version(VERSION)
    .showSuggestionAfterError()
    .configureHelp({
      subcommandTerm: (command) => command.name(),
      optionDescription(option) {
        const text = Help.prototype.optionDescription.call(this, option);
        return text.replace(/ \(default: \[\]\)$/, "");
      },
      minWidthToWrap: 30,
    })
    .addHelpText("after", EPILOGUE);
  const commands = [
    snapshotCommand(context),
    listCommand(context),
    diffCommand(context),
    filesCommand(context),
    catCommand(context),
    restoreCommand(context),
    undoCommand(context),
    redoCommand(context),
    whyCommand(context),
    labelCommand(context),
    verifyCommand(context),
    pruneCommand(context),
    forgetCommand(context),
    undeleteCommand(context),
    repairCommand(context),
    statsCommand(context),
    copyCommand(context),
    drillCommand(context),
    backupCommand(context, () => createProgram(context)),
    doctorCommand(context),
    scheduleCommand(() => createProgram(context)),
    rdiffCommand(),
  ];
  for (const command of commands) {
    program.addCommand(command);
    if (!LONG.includes(command.name())) continue;
    command.option("-q, --quiet", "say nothing but what went wrong");
    command.option("-v, --verbose", "say more; with --json, progress too");
  }
  program.hook("preAction", (_, command) => {
    refuseEmpty(command);
    const { quiet, verbose } = command.opts();
    if (quiet || verbose) setVerbosity(verbose ? "verbose" : "quiet");
  });
  addCompletion(program);
  addExamples(program);
  settle(program);
  return program;
}

/** The commands that may take long, and report what they did. */
const LONG = [
  "snapshot",
  "restore",
  "undo",
  "redo",
  "verify",
  "repair",
  "drill",
  "prune",
  "copy",
  "backup",
];

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
      name: option.attributeName() === "label" ? "text" : option.flags,
    })),
  ].find(({ word, name }) =>
    name !== "text" && (Array.isArray(word) ? word : [word]).includes("")
  );
  if (empty === undefined) return;
  command.error(`error: '${empty.name}' is empty: name it, or leave it out`, {
    exitCode: EXIT.usage,
  });
}

/** Has each command throw rather than exit. */
function settle(command: Command): void {
  command.exitOverride();
  for (const child of command.commands) {
    child.copyInheritedSettings(command);
    child.showHelpAfterError(`\nSee \`deltar help ${child.name()}\`.`);
    settle(child);
  }
}
