/**
 * Finds the runtimes that the suite runs on: those installed, or else the
 * packages of the npm registry by that name.
 *
 * @module
 */
import { execFileSync } from "node:child_process";
import process from "node:process";

/** A command line: a program and its first words. */
export type Command = [program: string, ...words: string[]];

/** The Deno that runs this. */
export function deno(): Command {
  return [process.execPath];
}

/** Returns the command that runs a script with the present runtime. */
export function script(): Command {
  return process.versions.deno === undefined
    ? [process.execPath]
    : [process.execPath, "run", "-A"];
}

/** Bun, installed or by npx. */
export function bun(): Command {
  return works("bun", ["--version"]) ? ["bun"] : packaged("bun@1", "bun");
}

/** Node of version 24 or later, installed or by npx. */
export function node(): Command {
  const version = output("node", ["--version"]);
  return version !== undefined && Number(version.slice(1).split(".")[0]) >= 24
    ? ["node"]
    : packaged("node@24", "node");
}

/** Where each package's runtime was found. */
const found = new Map<string, Command>();

/**
 * A runtime of the npm registry: itself, since npx takes half a second. Who
 * starts it has its folder first in the path, as npx has.
 */
function packaged(name: string, program: string): Command {
  const npx: Command = ["npx", "--yes", `--package=${name}`, program];
  // There it has another name.
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
 * Returns the command that packs an extension of VS Code; it has a hundred dependencies that
 * nothing else needs.
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
