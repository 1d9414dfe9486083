import process from "node:process";
import { CommanderError } from "commander";
import { DeltarError } from "../mod.ts";
import type { Context } from "./context.ts";
import { EXIT } from "./exit.ts";
import { createProgram } from "./program.ts";
import { showText } from "./text.ts";
import { paint, say } from "./console.ts";

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
      if (process.listenerCount("SIGINT") > 0) return interrupt.signal;
      process.on("SIGINT", () => {
        // Who asks again does not want to wait.
        if (interrupt.signal.aborted) process.exit(EXIT.interrupted);
        interrupt.abort(new Error("SIGINT"));
      });
      return interrupt.signal;
    },
    code: EXIT.done,
  };
  try {
    await createProgram(context).parseAsync(words, { from: "user" });
    return context.code;
  } catch (error) {
    if (error instanceof CommanderError) {
      return error.exitCode === 0 ? EXIT.done : EXIT.usage;
    }
    return fail(error, words.includes("--json"));
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
    say(2, `${JSON.stringify(fields)}\n`);
  } else if (isOurs || isOfSystem(error)) {
    const name = paint("red", "deltar:", process.stderr);
    say(2, `${name} ${showText(message)}\n`);
  } else say(2, `deltar: ${(error as Error)?.stack ?? message}\n`);
  return code === "aborted" ? EXIT.interrupted : EXIT.failed;
}

/** Whether the system refused something: its words and the place say it all. */
function isOfSystem(error: unknown): boolean {
  return error instanceof Error && "syscall" in error && "path" in error;
}
