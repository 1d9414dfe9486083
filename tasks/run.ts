import { spawn } from "node:child_process";
import { delimiter, dirname, isAbsolute } from "node:path";
import process from "node:process";
import type { Command } from "./runtimes.ts";

/**
 * The maximum number of characters that `Run.end` keeps of a program's output.
 */
const MAX_KEPT_CHARACTERS = 6000;

/** The result of running a program. */
export interface Run {
  /** Whether the program succeeded. */
  ok: boolean;
  /**
   * The end of the program's output, with the error message if the program
   * could not be started.
   */
  end: string;
}

/**
 * Runs a program, prints its output, and returns its result.
 *
 * @param title The title to print before the output.
 * @param command The program and its first arguments.
 * @param words The other arguments.
 */
export function run(
  title: string,
  [program, ...first]: Command,
  ...words: string[]
): Promise<Run> {
  console.log(`\n# ${title}`);
  const child = spawn(program, [...first, ...words], {
    stdio: ["ignore", "pipe", "pipe"],
    shell: process.platform === "win32",
    env: {
      ...process.env,
      // The folder of the program comes first, so that the program starts the
      // same version if it starts itself by its name.
      ...(isAbsolute(program) && {
        PATH: dirname(program) + delimiter + process.env.PATH,
      }),
      ...(process.stdout.isTTY && { FORCE_COLOR: "1" }),
    },
  });
  let end = "";
  const show = (output: NodeJS.WriteStream) => (data: string) => {
    output.write(data);
    end = (end + data).slice(-MAX_KEPT_CHARACTERS);
  };
  child.stdout.setEncoding("utf8").on("data", show(process.stdout));
  child.stderr.setEncoding("utf8").on("data", show(process.stderr));
  return new Promise((resolve) => {
    child.on("error", (error) => {
      end += error.message;
      console.error(error.message);
    });
    child.on("close", (code) => resolve({ ok: code === 0, end }));
  });
}
