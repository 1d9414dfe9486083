import { realpathSync } from "node:fs";
import { basename, relative, resolve } from "node:path";
import process from "node:process";
import { programFile } from "../shared/program_files.ts";
import { existingDirectory } from "./location.ts";
import { shellWord } from "./text.ts";

/**
 * Returns the name of the runtime that runs this script, and the arguments that
 * come before the script, or `undefined` for the single binary. The name can
 * contain a version: `node24`.
 */
function runtime(): { name: string; words: string[] } | undefined {
  const name = basename(process.execPath).replace(/\.exe$/, "");
  if (!/^(?:bun|node|deno)/.test(name)) return undefined;
  const isDeno = name.startsWith("deno");
  return { name, words: isDeno ? ["run", "--cached-only", "-A"] : [] };
}

/**
 * Returns the beginning of a command line that runs deltar in the current
 * directory, as the user probably typed it, such as `deltar`,
 * `deno task deltar` or `node ../cli.ts`.
 */
export function invocation(): string {
  const { env, argv, execPath } = process;
  if (env.DELTAR_TASK === "1") {
    const npx = env.npm_command === "exec" ? "npx " : "";
    return `${npx}deno task deltar`;
  }
  const script = argv[1] ?? "";
  const running = script.endsWith("cli.ts") ? runtime() : undefined;
  if (running === undefined) return "deltar";
  const { name, words } = running;
  const program = isOnPath(name) ? name : shellWord(execPath);
  const here = existingDirectory();
  const way = here === undefined ? script : relative(here, script);
  const place = shellWord(way || script);
  return [program, ...words, place].join(" ");
}

/** Returns whether a name alone starts the program that runs this process. */
function isOnPath(name: string): boolean {
  const file = programFile(name);
  return file !== undefined &&
    realpathSync(file) === realpathSync(process.execPath);
}

/** Returns the words that run deltar from any directory. */
export function ownCommand(): string[] {
  const { argv, execPath } = process;
  const running = runtime();
  if (running === undefined) return [execPath];
  return [execPath, ...running.words, resolve(argv[1])];
}
