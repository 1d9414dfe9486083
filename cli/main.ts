import process from "node:process";
import { Command, CommanderError } from "commander";
import { DeltarError, VERSION } from "../mod.ts";
import { catCommand } from "./cat.ts";
import type { Context } from "./context.ts";
import { diffCommand } from "./diff.ts";
import { EXIT } from "./exit.ts";
import { filesCommand } from "./files.ts";
import { listCommand } from "./list.ts";
import { rdiffCommand } from "./rdiff.ts";
import { restoreCommand } from "./restore.ts";
import { snapshotCommand } from "./snapshot.ts";
import { showText } from "./text.ts";
import { verifyCommand } from "./verify.ts";
import { writeAll } from "./console.ts";

/**
 * Runs the command.
 *
 * @param words The command line, without the program's name.
 * @returns The exit code.
 */
export async function main(words: string[]): Promise<number> {
  const interrupt = new AbortController();
  const context: Context = {
    // Only who asks for the signal can end its work in good order; all others
    // are ended by the system.
    get signal() {
      process.on("SIGINT", () => {
        // Who asks again does not want to wait.
        if (interrupt.signal.aborted) process.exit(EXIT.interrupted);
        interrupt.abort(new Error("SIGINT"));
      });
      return interrupt.signal;
    },
    code: EXIT.done,
  };
  const program = new Command("deltar")
    .description("Incremental snapshots of directories, stored anywhere")
    .version(VERSION)
    .showSuggestionAfterError()
    .addHelpText("after", EPILOGUE);
  const commands = [
    snapshotCommand(context),
    listCommand(context),
    diffCommand(context),
    filesCommand(context),
    catCommand(context),
    restoreCommand(context),
    verifyCommand(context),
    rdiffCommand(),
  ];
  for (const command of commands) program.addCommand(command);
  settle(program);
  try {
    await program.parseAsync(words, { from: "user" });
    return context.code;
  } catch (error) {
    if (error instanceof CommanderError) {
      return error.exitCode === 0 ? EXIT.done : EXIT.usage;
    }
    return fail(error, words.includes("--json"));
  }
}

const EPILOGUE = `
A repository is kept in $DELTAR_REPOSITORY, where --repo says, or else in a
folder per directory under your data folder.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 done but some files could not
be, each of them named; 130 interrupted.`;

/** Has each command throw rather than exit. */
function settle(command: Command): void {
  command.exitOverride();
  for (const child of command.commands) {
    child.copyInheritedSettings(command);
    settle(child);
  }
}

function fail(error: unknown, json: boolean): number {
  const isOurs = error instanceof DeltarError;
  const code = isOurs ? error.code : "unexpected";
  const message = code === "aborted"
    ? "interrupted"
    : error instanceof Error
    ? error.message
    : String(error);
  if (json) {
    const fields = { version: 1, type: "error", code, message };
    writeAll(2, `${JSON.stringify(fields)}\n`);
  } else if (isOurs) {
    writeAll(2, `deltar: ${showText(message)}\n`);
  } else writeAll(2, `deltar: ${(error as Error)?.stack ?? message}\n`);
  return code === "aborted" ? EXIT.interrupted : EXIT.failed;
}
