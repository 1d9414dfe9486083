/**
 * Finds the runtimes that the suite runs on. If a runtime is not installed, its
 * npm package is used.
 *
 * @module
 */
import { execFileSync } from "node:child_process";
import process from "node:process";

/** The beginning of a command line: a program and its first arguments. */
export type Command = [program: string, ...words: string[]];

/** Returns the command of Deno, which must be the current runtime. */
export function deno(): Command {
  return [process.execPath];
}

/** Returns the command that runs a script with the current runtime. */
export function script(): Command {
  return process.versions.deno === undefined
    ? [process.execPath]
    : [process.execPath, "run", "-A"];
}

/**
 * Returns the command of Bun: the installed Bun or, if Bun is not installed,
 * the one in the npm package.
 */
export function bun(): Command {
  return works("bun", ["--version"]) ? ["bun"] : packaged("bun@1", "bun");
}

/**
 * Returns the command of Node 24 or later: the installed Node or, if that is
 * missing or too old, the one in the npm package.
 */
export function node(): Command {
  const version = output("node", ["--version"]);
  return version !== undefined && Number(version.slice(1).split(".")[0]) >= 24
    ? ["node"]
    : packaged("node@24", "node");
}

/**
 * The commands that `packaged` has returned, by the name of the npm package.
 */
const found = new Map<string, Command>();

/**
 * Returns the command of a runtime in an npm package. If possible, the command
 * is the path of the runtime, because starting the runtime with npx takes
 * longer. `run` puts the runtime's folder first in `PATH`, as npx does.
 */
function packaged(name: string, program: string): Command {
  const npx: Command = ["npx", "--yes", `--package=${name}`, program];
  // On Windows, the program in the package has a different file name, so npx
  // starts the program.
  if (process.platform === "win32") return npx;
  let command = found.get(name);
  if (command === undefined) {
    const path = output(npx[0], [...npx.slice(1), "-p", "process.env.PATH"]);
    const folder = path?.split(":")[0];
    command = folder === undefined ? npx : [`${folder}/${program}`];
    found.set(name, command);
  }
  return command;
}

/**
 * Returns the command that packs a VS Code extension. `vsce` is not installed
 * with the other dependencies, because it has many dependencies of its own.
 */
export function vsce(): Command {
  const npx = ["--yes", "--ignore-scripts", "--package=@vscode/vsce@4.1.0"];
  return ["npx", ...npx, "vsce"];
}

function works(program: string, words: string[]): boolean {
  return output(program, words) !== undefined;
}

function output(program: string, words: string[]): string | undefined {
  try {
    return execFileSync(program, words, {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
      shell: process.platform === "win32",
    }).trim();
  } catch {
    return undefined;
  }
}
