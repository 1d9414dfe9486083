import { spawn } from "node:child_process";
import { once } from "node:events";
import { accessSync, constants, createReadStream, statSync } from "node:fs";
import process from "node:process";
import { addAbortSignal, type Readable } from "node:stream";
import type { Command } from "commander";
import { DeltarError, DiffIndex, type SnapshotResult } from "../mod.ts";
import { type StreamedEntry, tarEntries } from "../lib/archive/mod.ts";
import { codeOf } from "../shared/error_code.ts";
import type { Console } from "./console.ts";
import type { Context } from "./context.ts";
import { EXIT } from "./exit.ts";
import { absolute, locate, locateFrom } from "./location.ts";
import { openOrCreate, sharingOf } from "./open_repository.ts";
import { takenTimes } from "./taken_times.ts";
import {
  describeKept,
  type Taken,
  type TakeOptions,
  tellOfDamage,
  tellOfSkipped,
} from "./take_snapshot.ts";
import { programFiles } from "../shared/program_files.ts";
import { parseCount } from "./quantity.ts";
import { treePath } from "./text.ts";
import { parseTimestamp } from "./timestamp.ts";
import { tellIndexProgress } from "./index_progress.ts";

/** Options for a snapshot of a stream instead of a directory. */
export interface StreamOptions {
  fromTar?: string;
  stdin?: string;
  stdinFromCommand?: string;
  source?: string;
  time?: number;
  stripComponents?: number;
}

/** Adds the options for a snapshot of a stream. */
export function addStreamOptions(command: Command): Command {
  return command
    .option(
      "--from-tar <file>",
      "Take a snapshot of the content of a tar archive (.tar, .tar.gz, " +
        ".tar.zst) or, with -, of the archive on standard input",
    )
    .option(
      "--strip-components <number>",
      "With --from-tar: remove this number of folders from the paths in the " +
        "archive",
      parseCount,
    )
    .option(
      "--stdin <filename>",
      "Take a snapshot of standard input, as one file with this name",
    )
    .option(
      "--stdin-from-command <filename>",
      "Take a snapshot of the output of the command after `--`, as one file " +
        "with this name; if the command fails, no snapshot is made",
    )
    .option(
      "--source <dir>",
      "With --from-tar, --stdin or --stdin-from-command: add the snapshot " +
        "to those of this directory, which need not exist (default: the path " +
        "of the archive or file)",
    )
    .option(
      "--time <time>",
      "With --from-tar, --stdin or --stdin-from-command: give the snapshot " +
        "this time, such as 2024-01-31T12:00:00",
      parseTimestamp,
    );
}

/** The options that can be used for a snapshot of a stream, in camel case. */
const ALLOWED: ReadonlySet<string> = new Set([
  "fromTar",
  "stdin",
  "stdinFromCommand",
  "source",
  "time",
  "stripComponents",
  "label",
  "repo",
  "init",
  "encrypt",
  "shared",
  "sharedWrite",
  "maxSize",
  "remember",
  "acceptUnusual",
  "json",
  "quiet",
  "verbose",
]);

/** The stream that the user names. */
export interface Stream {
  /** The option that names the stream. */
  option: "fromTar" | "stdin" | "stdinFromCommand";
  /** The value of this option. */
  value: string;
  /** The words of the command after `--`; empty without a command. */
  words: readonly string[];
  /** The absolute path under which the snapshot is listed. */
  directory: string;
}

/**
 * Returns the stream that the options name, or `undefined` if the snapshot is
 * of a directory. Prints an error and ends the program if the options and
 * arguments cannot be combined.
 *
 * @param command The command that has the options and prints the errors.
 * @param words The arguments of the command.
 */
export function streamOf(
  command: Command,
  words: readonly string[],
): Stream | undefined {
  const fail = (message: string): never =>
    command.error(`error: ${message}`, { exitCode: EXIT.usage });
  const options = command.opts<StreamOptions>();
  const given = command.options.filter((option) =>
    command.getOptionValueSource(option.attributeName()) === "cli"
  );
  const [one, other] = given.filter((option) =>
    ["fromTar", "stdin", "stdinFromCommand"].includes(option.attributeName())
  );
  if (one === undefined) {
    const alone = given.find((option) =>
      ["source", "time", "stripComponents"].includes(option.attributeName())
    );
    if (alone === undefined) return undefined;
    return fail(
      `option '${alone.long}' needs --from-tar, --stdin or ` +
        "--stdin-from-command; to import dated directories, use `deltar import`",
    );
  }
  const isTar = one.attributeName() === "fromTar";
  const unfit = other ??
    given.find((option) =>
      !ALLOWED.has(option.attributeName()) ||
      option.attributeName() === "stripComponents" && !isTar
    );
  if (unfit !== undefined) {
    fail(`option '${unfit.long}' cannot be used with ${one.long}`);
  }
  const option = one.attributeName() as Stream["option"];
  const value = options[option] ?? "";
  const isCommand = option === "stdinFromCommand";
  if (isCommand && words.length === 0) {
    fail(`option '${one.long}' needs a command after \`--\``);
  }
  if (isCommand && words[0] === "") fail("the command is empty");
  if (!isCommand && words.length > 0) {
    fail(`a directory cannot be used with ${one.long}`);
  }
  const isPiped = isTar && value === "-";
  if (isPiped && options.source === undefined) {
    fail("an archive on standard input needs --source");
  }
  const directory = absolute(options.source ?? value);
  return { option, value, words, directory };
}

/**
 * Takes a snapshot of a stream. Creates the repository if it does not exist. If
 * the source already has a snapshot with the given time, returns this snapshot
 * without reading the stream or starting the command.
 */
export async function takeStream(
  context: Context,
  out: Console,
  stream: Stream,
  options: TakeOptions & StreamOptions,
): Promise<Taken> {
  const { signal } = context;
  const { directory } = stream;
  const { label, time } = options;
  if (stream.option === "fromTar" && stream.value !== "-") {
    checkArchive(absolute(stream.value), signal);
  }
  if (stream.option === "stdinFromCommand") checkProgram(stream.words[0]);
  const location = options.source === undefined
    ? locateFrom(options.repo, absolute(".")).location
    : locate(options.repo, directory);
  const repository = await openOrCreate(context, location, {
    init: options.init,
    encrypt: options.encrypt,
    shared: sharingOf(options),
  });
  const taken = {
    repository,
    location,
    lacksXattrs: false,
    isNewRepository: false,
    read: 0,
  };
  if (time !== undefined) {
    const record = (await takenTimes(out, repository, directory)).get(time);
    if (record !== undefined) {
      const diff = new DiffIndex([], record.root);
      const result: SnapshotResult = {
        record,
        isNew: false,
        diff,
        skipped: [],
      };
      return { ...taken, result };
    }
  }
  const result = await repository.snapshot(
    entriesOf(stream, options, signal),
    {
      source: directory,
      label,
      time,
      signal,
      onSkip: (skipped) => tellOfSkipped(out, skipped),
      onKept: (volumes) => out.warn(describeKept(volumes)),
      onDamage: (error) => tellOfDamage(out, error),
      onProgress: (progress) => tellIndexProgress(out, progress),
    },
  );
  return { ...taken, result };
}

/**
 * Checks that an archive can be read, before a repository is created.
 *
 * @throws {DeltarError} `not-found` if the archive does not exist; `io` if it
 * cannot be read; `unsupported` if it is a directory.
 */
function checkArchive(file: string, signal: AbortSignal): void {
  try {
    accessSync(file, constants.R_OK);
    if (!statSync(file).isDirectory()) return;
  } catch (cause) {
    throw readError(cause, file, signal);
  }
  throw new DeltarError(
    "unsupported",
    "this is a directory, not an archive; take a snapshot of it with `deltar " +
      "snapshot DIR`",
    { object: file },
  );
}

/**
 * Checks that a program can be started, before a repository is created.
 *
 * @throws {DeltarError} `not-found` if there is no such program; `io` if it is
 * not executable.
 */
function checkProgram(program: string): void {
  const files = programFiles(program);
  if (files.length === 0) throw noCommand(program);
  if (files.some(isExecutable)) return;
  throw new DeltarError(
    "io",
    "cannot run the command: the file is not executable",
    { object: program },
  );
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function noCommand(program: string, cause?: unknown): DeltarError {
  return new DeltarError("not-found", "no such command", {
    object: program,
    cause,
  });
}

/** Returns the entries of a stream. */
function entriesOf(
  { option, value, words }: Stream,
  { stripComponents }: StreamOptions,
  signal: AbortSignal,
): AsyncIterable<StreamedEntry> {
  if (option === "fromTar") {
    const isPiped = value === "-";
    const object = isPiped ? "standard input" : absolute(value);
    const open = () => isPiped ? process.stdin : createReadStream(object);
    return tarEntries(bytesOf(open, object, signal), {
      object,
      stripComponents,
    });
  }
  return oneFile(
    treePath(value),
    option === "stdin"
      ? bytesOf(() => process.stdin, "standard input", signal)
      : outputOf(words, signal),
  );
}

/** Yields an entry for the root, and an entry for a file with this content. */
async function* oneFile(
  path: string,
  body: AsyncIterable<Uint8Array>,
): AsyncGenerator<StreamedEntry> {
  const state = {
    mtime: BigInt(Date.now()) * 1_000_000n,
    uid: process.getuid?.() ?? 0,
    gid: process.getgid?.() ?? 0,
    size: 0,
  };
  yield { member: { path: "", kind: "directory", mode: 0o755, ...state } };
  yield { member: { path, kind: "file", mode: 0o600, ...state }, body };
}

/**
 * Yields the bytes of a Node stream. Opens the stream only when the first bytes
 * are read. If it were opened earlier, an error could occur before anything
 * listens for errors, and would end the process.
 */
async function* bytesOf(
  open: () => Readable,
  object: string,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of addAbortSignal(signal, open())) yield chunk;
  } catch (cause) {
    throw readError(cause, object, signal);
  }
}

/**
 * Starts a command, and yields its output. The command starts only when its
 * output is read, because Node discards unread output when a command ends.
 * If the caller stops reading, the command is ended.
 *
 * @throws {DeltarError} `not-found` if the command does not exist; `io` if it
 * cannot be run or fails; `aborted` if the signal fired.
 */
async function* outputOf(
  [program, ...words]: readonly string[],
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const child = spawn(program, words, {
    stdio: ["inherit", "pipe", "inherit"],
    windowsHide: true,
  });
  const ended = new Promise<[code: number | null, signal: string | null]>(
    (resolve, reject) => {
      child.on("error", reject);
      child.on("close", (...how) => resolve(how));
    },
  );
  ended.catch(() => {});
  try {
    await once(child, "spawn");
  } catch (cause) {
    if (codeOf(cause) === "ENOENT") throw noCommand(program, cause);
    throw new DeltarError("io", `cannot run the command: ${cause}`, {
      object: program,
      cause,
    });
  }
  try {
    yield* bytesOf(() => child.stdout, program, signal);
    const [code, killedBy] = await ended;
    if (code === 0) return;
    const how = code === null
      ? `was ended by ${killedBy}`
      : `failed with exit status ${code}`;
    throw new DeltarError(
      "io",
      `the command ${how}, so no snapshot was made`,
      { object: program },
    );
  } finally {
    child.kill();
  }
}

/** Returns the error for a stream that could not be read. */
function readError(
  cause: unknown,
  object: string,
  signal: AbortSignal,
): DeltarError {
  if (cause instanceof DeltarError) return cause;
  if (signal.aborted) {
    return new DeltarError("aborted", "the stream was interrupted", {
      object,
      cause,
    });
  }
  return codeOf(cause) === "ENOENT"
    ? new DeltarError("not-found", "no such file", { object, cause })
    : new DeltarError(
      "io",
      `cannot read: ${cause instanceof Error ? cause.message : cause}`,
      { object, cause },
    );
}
