import type { Argument, Command, Option } from "commander";
import {
  backupNames,
  type Candidate,
  labelNames,
  pathsIn,
  removedIds,
  snapshotNames,
  type Where,
} from "./candidates.ts";
import { COMMANDS } from "./commands.ts";
import { SHELLS } from "./completion_scripts.ts";
import { configFile } from "./config.ts";
import type { MakeProgram } from "./context.ts";
import { absolute, locateFrom } from "./location.ts";
import { showText } from "./text.ts";

/** The completions at the cursor: words, or a kind of path. */
export interface Completion {
  /** The possible words, in the order in which most shells show them. */
  candidates: Candidate[];
  /** The kind of path that the shell itself completes, if any. */
  names?: "files" | "directories";
  /** The part of the word before the value, such as `--to=`, or empty. */
  prefix: string;
}

/** A kind of value that can be completed. */
type Kind =
  | "snapshots"
  | "removed"
  | "paths"
  | "labels"
  | "backups"
  | "files"
  | "directories"
  | "shells"
  | "commands";

/**
 * The kind of value that each placeholder of an argument or option stands for.
 * For example, `dir` is the placeholder in `--dir <dir>`.
 */
const KINDS: Readonly<Record<string, Kind>> = {
  snapshot: "snapshots",
  snapshots: "snapshots",
  a: "snapshots",
  b: "snapshots",
  path: "paths",
  folder: "paths",
  name: "backups",
  file: "files",
  basis: "files",
  signature: "files",
  delta: "files",
  newfile: "files",
  dir: "directories",
  location: "directories",
  shell: "shells",
  command: "commands",
  program: "files",
};

/**
 * Completes a command line. Writes nothing and does not use the network.
 *
 * @param words The words before the word at the cursor, without the program's
 * name.
 * @param current The part of the word at the cursor that is before the cursor.
 * @param make Called with the names of the commands to load. Makes the command
 * line, which has the arguments and options of these commands.
 */
export async function complete(
  words: readonly string[],
  current: string,
  make: MakeProgram,
): Promise<Completion> {
  const [name = ""] = words;
  if (words.length === 0) {
    const program = await make([]);
    return current.startsWith("-")
      ? optionsOf(program, [], current)
      : only(commandNames(program), current);
  }
  if (name === "help") {
    const program = await make(["rdiff"]);
    const command = commandOf(program, words.slice(1));
    return only(commandNames(command), current);
  }
  const isKnown = Object.hasOwn(COMMANDS, name) || name === "completion";
  if (!isKnown) return only([], current);
  const program = await make([name]);
  const command = commandOf(program, words);
  let depth = 0;
  for (let at: Command | null = command; at !== program; at = at.parent) {
    if (at === null) break;
    depth++;
  }
  const line = new Line(command, words.slice(depth));
  const [, flag, value] = /^(--[\w-]+)=([^]*)$/.exec(current) ?? [];
  const option = line.pending ??
    (line.isClosed ? undefined : findOption(command, flag ?? ""));
  if (option !== undefined) {
    const prefix = line.pending === undefined ? `${flag}=` : "";
    const kind = kindOfOption(option);
    const choices = option.argChoices?.map((word) => ({ word }));
    return await line.candidates(kind, value ?? current, prefix, choices);
  }
  if (current.startsWith("-") && !line.isClosed) {
    return optionsOf(command, line.used, current);
  }
  const { argument } = line;
  if (command.commands.length > 0) {
    const names = commandNames(command);
    // `schedule` takes the name of a backup or a subcommand.
    const isFirst = argument === command.registeredArguments[0];
    const values = argument !== undefined && isFirst
      ? (await line.candidates(line.kindOf(argument), current, "")).candidates
      : [];
    return only([...values, ...names], current);
  }
  if (argument === undefined) return optionsOf(command, line.used, current);
  const choices = argument.argChoices?.map((word) => ({ word }));
  return await line.candidates(line.kindOf(argument), current, "", choices);
}

/** Returns the innermost command that the words name. */
function commandOf(program: Command, words: readonly string[]): Command {
  let command = program;
  for (const word of words) {
    const child = command.commands.find((one) => one.name() === word);
    if (child === undefined) break;
    command = child;
  }
  return command;
}

/**
 * The words after the name of a command, divided into options and arguments.
 */
class Line {
  readonly used: Option[] = [];
  /** The option that takes the next word as its value, if any. */
  pending: Option | undefined;
  /** Whether only arguments can follow, for example after `--`. */
  isClosed = false;
  readonly #command: Command;
  readonly #operands: string[] = [];
  readonly #values = new Map<string, string>();

  constructor(command: Command, words: readonly string[]) {
    this.#command = command;
    for (const word of words) {
      if (this.pending !== undefined) {
        this.#values.set(this.pending.attributeName(), word);
        this.pending = undefined;
      } else if (word === "--" && !this.isClosed) this.isClosed = true;
      else if (this.isClosed || !/^-./.test(word)) {
        this.#operands.push(word);
        // The words after the program of `run` are arguments of the program.
        if (command.name() === "run") this.isClosed = true;
      } else this.#takeOption(word);
    }
  }

  #takeOption(word: string): void {
    const [, flag, value] = /^([^=]+)(?:=([^]*))?$/.exec(word) ?? [];
    const option = findOption(this.#command, flag);
    if (option === undefined) return;
    this.used.push(option);
    if (value !== undefined) this.#values.set(option.attributeName(), value);
    else if (option.required) this.pending = option;
  }

  /** The argument that comes next, if any. */
  get argument(): Argument | undefined {
    const all = this.#command.registeredArguments;
    const last = all.at(-1);
    return all[this.#operands.length] ?? (last?.variadic ? last : undefined);
  }

  /**
   * Returns the kind of value that an argument takes, or `undefined` if the
   * kind is not known.
   */
  kindOf(argument: Argument): Kind | undefined {
    const name = this.#command.name();
    const kind = name === "find" ? "paths" : KINDS[argument.name()];
    if (name === "undelete") return "removed";
    // A path that does not follow a snapshot is a path on this machine.
    return kind === "paths" && this.#snapshot() === undefined ? "files" : kind;
  }

  /**
   * Returns the snapshot that has the paths to complete with: `latest` for
   * `log`, `find` and `recover`, otherwise the last snapshot on the line, if
   * any.
   */
  #snapshot(): string | undefined {
    if (["log", "find", "recover"].includes(this.#command.name())) {
      return "latest";
    }
    return this.#operands.filter((_, at) =>
      KINDS[this.#command.registeredArguments[at]?.name() ?? ""] === "snapshots"
    ).at(-1);
  }

  /**
   * Returns the candidates that begin with `value`, each with `prefix` before
   * it. The candidates are `choices`, or else the values of the kind. For files
   * and directories, returns only the kind, because the shell finds the names.
   */
  async candidates(
    kind: Kind | undefined,
    value: string,
    prefix: string,
    choices: Candidate[] = [],
  ): Promise<Completion> {
    if (kind === "files" || kind === "directories") {
      return { candidates: [], names: kind, prefix };
    }
    const all = choices.length > 0 ? choices : await this.#find(kind, value);
    const { candidates } = only(all, value);
    return {
      candidates: candidates.map((one) => ({
        ...one,
        word: prefix + one.word,
      })),
      prefix,
    };
  }

  async #find(kind: Kind | undefined, value: string): Promise<Candidate[]> {
    switch (kind) {
      case "shells":
        return SHELLS.map((word) => ({ word }));
      case "commands":
        return commandNames(this.#command.parent ?? this.#command);
      case "backups":
        return backupNames(this.#values.get("config") ?? configFile());
      case "snapshots":
        return await snapshotNames(this.#where(), value);
      case "labels":
        return await labelNames(this.#where());
      case "removed":
        return await removedIds(this.#where());
      case "paths": {
        const snapshot = this.#snapshot();
        if (snapshot === undefined) return [];
        return await pathsIn(this.#where(), snapshot, value);
      }
      default:
        return [];
    }
  }

  #where(): Where {
    const place = absolute(this.#values.get("dir") ?? ".");
    const { location } = locateFrom(this.#values.get("repo"), place);
    return { location, place };
  }
}

/** Returns the names and descriptions of a command's visible subcommands. */
function commandNames(command: Command): Candidate[] {
  return command.createHelp().visibleCommands(command)
    .map((one) => ({
      word: one.name(),
      about: one.summary() || one.description(),
    }));
}

function optionsOf(
  command: Command,
  used: readonly Option[],
  current: string,
): Completion {
  return only(
    command.createHelp().visibleOptions(command)
      .filter((option) =>
        !used.includes(option) || Array.isArray(option.defaultValue)
      )
      .map(({ long, short, description }) => ({
        word: long ?? short ?? "",
        about: description,
      })),
    current,
  );
}

function findOption(command: Command, flag: string): Option | undefined {
  return command.options.find(({ long, short }) =>
    flag === long || flag === short
  );
}

function kindOfOption({ flags, long }: Option): Kind | undefined {
  if (long === "--keep-label") return "labels";
  const [, name = ""] = /[<[]([\w-]+)/.exec(flags) ?? [];
  return KINDS[name];
}

/**
 * Returns the candidates that begin with the typed text and are printable,
 * without duplicates.
 */
function only(all: readonly Candidate[], typed: string): Completion {
  const seen = new Set<string>();
  const candidates = all.filter(({ word }) => {
    const isNew = word.startsWith(typed) && showText(word) === word &&
      !seen.has(word);
    return isNew && seen.add(word);
  });
  return { candidates, prefix: "" };
}
