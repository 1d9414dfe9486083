import { spawn } from "node:child_process";
import { delimiter, dirname, isAbsolute } from "node:path";
import process from "node:process";
import type { Command } from "./runtimes.ts";

/** The number of characters of a failed program's last output that are kept. */
const KEPT = 6000;

/** The end of a program. */
export interface Run {
  /** Whether it succeeded. */
  ok: boolean;
  /** The end of what it printed. */
  end: string;
}

/**
 * Runs a program, shows what it prints, and keeps the end of it.
 *
 * @param title What is being done.
 * @param command The program and its first words.
 * @param words The other words.
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
      // What it starts by its own name is the same program.
      ...(isAbsolute(program) && {
        PATH: dirname(program) + delimiter + process.env.PATH,
      }),
      ...(process.stdout.isTTY && { FORCE_COLOR: "1" }),
    },
  });
  let end = "";
  const show = (output: NodeJS.WriteStream) => (data: string) => {
    output.write(data);
    end = (end + data).slice(-KEPT);
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
