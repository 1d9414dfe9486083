import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { type Command, InvalidArgumentError, type Option } from "commander";
import { DeltarError } from "../mod.ts";
import { codeOf } from "../shared/error_code.ts";
import type { MakeProgram } from "./context.ts";
import { locate, userFolder } from "./location.ts";

/**
 * A backup that the configuration names, as the command lines it stands for.
 */
export interface Backup {
  /** Its name. */
  name: string;
  /** The lines to run, one after the other. */
  lines: string[][];
}

/** The keys of a backup's entry. */
const KEYS = ["directory", "repo", "snapshot", "prune"];

/** The keys that the file may have. */
const TOP_KEYS = ["backups", "$schema"];

/**
 * Options for one time: always set, they would have a lost disk forgotten, and
 * a directory continue another again and again.
 */
const ONCE = ["init", "continueFrom"];

/** Where the configuration is when nobody says. */
export function configFile(): string {
  return join(userFolder("config"), "config.json");
}

/**
 * Reads the configuration: `{"backups": {NAME: {"directory", "repo",
 * "snapshot": {…}, "prune": {…}}}}`, where the options of `deltar snapshot` and
 * `deltar prune` are keys, `keepDaily` for `--keep-daily`. Paths may begin with
 * `~/`; others are relative to the file's folder.
 *
 * @param file The file.
 * @param program Makes the commands, whose options are the keys.
 * @throws {DeltarError} `not-found` or `corrupt`, with what is wrong where.
 */
export async function readConfig(
  file: string,
  program: MakeProgram,
): Promise<Backup[]> {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (cause) {
    if (codeOf(cause) !== "ENOENT") {
      throw new DeltarError(
        "io",
        `it cannot be read: ${cause instanceof Error ? cause.message : cause}`,
        {
          object: file,
          cause,
        },
      );
    }
    throw new DeltarError(
      "not-found",
      "there is no configuration; write one as `deltar help backup` shows, or " +
        "name another with `--config`",
      { object: file, cause },
    );
  }
  const fail = (what: string): never => {
    throw new DeltarError("corrupt", what, { object: file });
  };
  // Some editors begin a file with a mark of its encoding.
  const top = parse(text.replace(/^\uFEFF/, ""), fail);
  const unknown = Object.keys(top).find((key) => !TOP_KEYS.includes(key));
  if (unknown !== undefined) {
    return fail(`it has ${JSON.stringify(unknown)}; known is "backups"`);
  }
  const { backups } = top;
  if (!isRecord(backups)) return fail('it has no "backups"');
  if (Object.keys(backups).length === 0) fail("it names no backup");
  const { commands } = await program(["snapshot", "prune"]);
  return Object.entries(backups).map(([name, entry]) => {
    const at = (what: string) =>
      fail(`backup ${JSON.stringify(name)}: ${what}`);
    if (!/^[\w.-]+$/.test(name)) at("a name has letters, digits, - _ . only");
    if (!isRecord(entry)) return at("it is not an object");
    const unknown = Object.keys(entry).find((key) => !KEYS.includes(key));
    if (unknown) at(`it has ${unknown}; known are ${KEYS.join(", ")}`);
    const { directory, repo } = entry;
    if (typeof directory !== "string" || directory === "") {
      return at('it has no "directory"');
    }
    if (repo !== undefined && (typeof repo !== "string" || repo === "")) {
      return at(`repo cannot be ${JSON.stringify(repo)}`);
    }
    const options = (command: string) =>
      optionWords(commands, command, entry[command], at);
    const root = expand(directory, file);
    const place = `--repo=${locate(repo && expand(repo, file), root)}`;
    const lines = [["snapshot", root, place, ...options("snapshot")]];
    if (entry.prune !== undefined) {
      lines.push(["prune", place, ...options("prune")]);
    }
    return { name, lines };
  });
}

function parse(text: string, fail: (what: string) => never) {
  try {
    const value = JSON.parse(text);
    return isRecord(value) ? value : fail("it is not an object");
  } catch (error) {
    if (error instanceof DeltarError) throw error;
    return fail(`it is not JSON: ${(error as Error).message}`);
  }
}

/** A section's keys as the options that they are. */
function optionWords(
  commands: readonly Command[],
  name: string,
  section: unknown = {},
  fail: (what: string) => never,
): string[] {
  if (!isRecord(section)) return fail(`${name} is not an object`);
  const options = commands.filter((child) => child.name() === name)
    .flatMap((command) => command.options)
    .filter((one) => !ONCE.includes(one.attributeName()));
  return Object.entries(section).flatMap(([key, value]) => {
    const option = options.find((one) => one.attributeName() === key);
    if (option === undefined) {
      const all = options.map((one) => one.attributeName()).join(", ");
      return fail(`${name} has no option ${key}; it has ${all}`);
    }
    const wrong = `${name}.${key} cannot be ${JSON.stringify(value)}`;
    const found = words(option, value) ?? fail(wrong);
    const refusal = refusalOf(option, value);
    return refusal === undefined ? found : fail(`${wrong}: ${refusal}`);
  });
}

/** Returns an option's refusal of a value, if it refuses it. */
function refusalOf(option: Option, value: unknown): string | undefined {
  if (typeof value === "boolean") return undefined;
  try {
    for (const one of [value].flat()) option.parseArg?.(String(one), []);
    return undefined;
  } catch (error) {
    if (error instanceof InvalidArgumentError) return error.message;
    throw error;
  }
}

/** An option with its value, or nothing if it takes no such value. */
function words(option: Option, value: unknown): string[] | undefined {
  const flag = `--${option.name()}`;
  const takesText = option.required || option.optional;
  if (typeof value === "boolean") {
    return takesText ? undefined : value ? [flag] : [];
  }
  const values = Array.isArray(value) ? value : [value];
  if (
    !takesText || !values.every((one) => /^(?:string|number)$/.test(typeof one))
  ) {
    return undefined;
  }
  return values.map((one) => `${flag}=${one}`);
}

function expand(path: string, file: string): string {
  if (/^[a-z][a-z0-9+.-]+:\/\//i.test(path)) return path;
  if (path === "~" || path.startsWith("~/")) {
    return join(homedir(), path.slice(1));
  }
  return resolve(dirname(file), path);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
