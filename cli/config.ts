import { readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { type Command, InvalidArgumentError, type Option } from "commander";
import { DeltarError } from "../mod.ts";
import { directorySet, nameOfSet } from "../lib/tree/mod.ts";
import { codeOf } from "../shared/error_code.ts";
import { expandHome } from "../shared/user_folder.ts";
import type { MakeProgram } from "./context.ts";
import { locate, userFolder } from "./location.ts";

/** A backup in the configuration, as command lines. */
export interface Backup {
  /** The name of the backup. */
  name: string;
  /** The command lines to run, in this order, each as a list of words. */
  lines: string[][];
}

/** The keys that a backup in the configuration can have. */
const KEYS = ["directory", "repo", "snapshot", "prune"];

/** The keys that the configuration can have at the top level. */
const TOP_KEYS = ["backups", "$schema"];

/**
 * The options that are meant for a single run. A configuration cannot set them.
 * With `--init` on every run, for example, deltar would create a new repository
 * whenever the disk with the repository is missing.
 */
const ONCE = [
  "init",
  "continueFrom",
  "dryRun",
  "fromTar",
  "stdin",
  "stdinFromCommand",
  "source",
  "time",
  "stripComponents",
];

/** Returns the default path of the configuration. */
export function configFile(): string {
  return join(userFolder("config"), "config.json");
}

/**
 * Reads the configuration:
 * `{"backups": {NAME: {"directory", "repo", "snapshot": {…}, "prune": {…}}}}`.
 * The keys of `snapshot` and `prune` are the options of those commands in camel
 * case: `keepDaily` for `--keep-daily`. `directory` is a path or a list of
 * paths. The paths in `directory` and `repo`, and the paths of files in
 * options, can begin with `~/`. Relative paths are resolved against the folder
 * of the configuration.
 *
 * @param file The path of the configuration.
 * @param program Called with the names of the commands to load. Makes the
 *   command line, which has the options of these commands.
 * @throws {DeltarError} `not-found` if the file does not exist, `io` if it
 *   cannot be read, `corrupt` if its content is invalid.
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
        "cannot read the configuration: " +
          (cause instanceof Error ? cause.message : cause),
        {
          object: file,
          cause,
        },
      );
    }
    throw new DeltarError(
      "not-found",
      "missing configuration; write one as `deltar help backup` shows, or " +
        "name another with `--config`",
      { object: file, cause },
    );
  }
  const fail = (what: string): never => {
    throw new DeltarError("corrupt", what, { object: file });
  };
  // Some editors begin a file with a byte order mark.
  const top = parse(text.replace(/^\uFEFF/, ""), fail);
  const unknown = Object.keys(top).find((key) => !TOP_KEYS.includes(key));
  if (unknown !== undefined) {
    return fail(
      `unknown key ${JSON.stringify(unknown)}; ` +
        'the keys are "backups" and "$schema"',
    );
  }
  const { backups } = top;
  if (!isRecord(backups)) return fail('missing object "backups"');
  if (Object.keys(backups).length === 0) {
    fail('"backups" is empty; add a backup, as `deltar help backup` shows');
  }
  const { commands } = await program(["snapshot", "prune"]);
  return Object.entries(backups).map(([name, entry]) => {
    const at = (what: string) =>
      fail(`backup ${JSON.stringify(name)}: ${what}`);
    if (!/^[\w.-]+$/.test(name)) {
      at(
        'the name may have only letters from A to Z, digits, "-", "_" and "."',
      );
    }
    if (!isRecord(entry)) return at("not an object");
    const unknown = Object.keys(entry).find((key) => !KEYS.includes(key));
    if (unknown) {
      at(`unknown key "${unknown}"; the keys are ${KEYS.join(", ")}`);
    }
    const { directory, repo } = entry;
    const directories = [directory].flat();
    if (
      directories.length === 0 ||
      !directories.every((one) => typeof one === "string" && one !== "")
    ) {
      return at(
        '"directory" must be a non-empty string, or a list of one or more ' +
          "non-empty strings",
      );
    }
    if (repo !== undefined && (typeof repo !== "string" || repo === "")) {
      return at(
        `"repo" must be a non-empty string: ${JSON.stringify(repo)}`,
      );
    }
    const options = (command: string) =>
      optionWords(commands, command, entry[command], file, at);
    const roots = directories.map((one) => expand(String(one), file));
    const home = roots.length > 1 ? nameOfSet(directorySet(roots)) : roots[0];
    const place = `--repo=${locate(repo && expand(repo, file), home)}`;
    const lines = [["snapshot", ...roots, place, ...options("snapshot")]];
    if (entry.prune !== undefined) {
      lines.push(["prune", place, ...options("prune")]);
    }
    return { name, lines };
  });
}

function parse(text: string, fail: (what: string) => never) {
  try {
    const value = JSON.parse(text);
    return isRecord(value) ? value : fail("not a JSON object");
  } catch (error) {
    if (error instanceof DeltarError) throw error;
    return fail(`not JSON: ${(error as Error).message}`);
  }
}

/**
 * Returns a section of a backup as options of the command line.
 *
 * @param commands The commands, with their options.
 * @param name The name of the section, which is also the name of a command.
 * @param section The value of the section in the configuration.
 * @param file The path of the configuration.
 * @param fail Called with a message about a fault. Throws the error.
 */
function optionWords(
  commands: readonly Command[],
  name: string,
  section: unknown = {},
  file: string,
  fail: (what: string) => never,
): string[] {
  if (!isRecord(section)) return fail(`"${name}" is not an object`);
  const options = commands.filter((child) => child.name() === name)
    .flatMap((command) => command.options)
    .filter((one) => !ONCE.includes(one.attributeName()));
  return Object.entries(section).flatMap(([key, value]) => {
    const option = options.find((one) => one.attributeName() === key);
    if (option === undefined) {
      const all = options.map((one) => one.attributeName()).join(", ");
      return fail(
        `"${name}" has no option "${key}" in a configuration; ` +
          `the options are ${all}`,
      );
    }
    const wrong = `"${name}.${key}" cannot be ${JSON.stringify(value)}`;
    const found = words(option, value, file) ??
      fail(`${wrong}: the value has the wrong type`);
    const refusal = refusalOf(option, value);
    return refusal === undefined ? found : fail(`${wrong}: ${refusal}`);
  });
}

/**
 * Returns the error message of an option for an invalid value, or `undefined`
 * if the value is valid.
 */
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

/**
 * Returns the words that set an option to a value, such as `--keep-daily=7`, or
 * `undefined` if the value's type is wrong. The relative path of a file is
 * resolved against the folder of the configuration.
 */
function words(
  option: Option,
  value: unknown,
  file: string,
): string[] | undefined {
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
  const isFile = option.flags.endsWith("<file>");
  return values.map((one) =>
    `${flag}=${isFile ? expand(String(one), file) : one}`
  );
}

function expand(path: string, file: string): string {
  if (/^[a-z][a-z0-9+.-]+:\/\//i.test(path)) return path;
  return resolve(dirname(file), expandHome(path));
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
