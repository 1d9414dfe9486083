import { Buffer } from "node:buffer";
import { type ChildProcess, spawn } from "node:child_process";
import process from "node:process";
import { DeltarError } from "../mod.ts";
import { programFile } from "../shared/program_files.ts";
import type { Context } from "./context.ts";
import { isDumb, type Terminal } from "./terminal.ts";
import { showLines } from "./text.ts";

/** The number of bytes that are collected before they are written. */
const BUFFER_BYTES = 1 << 16;

/** The pager that is used if the environment names none. */
const DEFAULT_PAGER = "less";

/**
 * The options of `less` if the variable `LESS` is not set: quit if the output
 * fits on one screen, show colors, and keep the output on the screen.
 */
const LESS = "FRX";

/**
 * Standard output for results that can be long. On a terminal, a pager shows
 * them. The pager is started when the first collected bytes are written.
 */
export class PagedOutput {
  readonly #terminal: Terminal;
  #command: string | undefined;
  #pager: Pager | undefined;
  #parts: Uint8Array[] = [];
  #length = 0;
  #isOpen = true;

  /**
   * Prepares the output.
   *
   * @param context The context with the terminal.
   * @param isPaged Whether a pager may be used.
   */
  constructor({ terminal }: Context, isPaged: boolean) {
    this.#terminal = terminal;
    this.#command = isPaged ? pagerCommand() : undefined;
  }

  /** Whether an interrupt ended the output while a pager was showing it. */
  get isInterrupted(): boolean {
    return this.#pager?.isInterrupted ?? false;
  }

  /**
   * Writes bytes.
   *
   * @returns `false` if further output is not shown, because the reader of
   * standard output has closed it, the user has left the pager, or an interrupt
   * ended the output.
   */
  async write(bytes: Uint8Array): Promise<boolean> {
    this.#parts.push(bytes);
    this.#length += bytes.length;
    if (this.#length >= BUFFER_BYTES) await this.#flush();
    return this.#isOpen;
  }

  /** Writes a line, which may have colors. Other control codes are escaped. */
  async line(text: string): Promise<boolean> {
    return await this.write(Buffer.from(showLines(`${text}\n`, true)));
  }

  /** Writes the collected bytes, and waits until the user leaves the pager. */
  async close(): Promise<void> {
    try {
      await this.#flush();
    } finally {
      await this.#pager?.close();
    }
  }

  async #flush(): Promise<void> {
    if (this.#length === 0) return;
    const bytes = Buffer.concat(this.#parts);
    [this.#parts, this.#length] = [[], 0];
    if (!this.#isOpen) return;
    this.#terminal.clear();
    if (this.#command === undefined) {
      this.#isOpen = this.#terminal.writeBytes(1, bytes);
      return;
    }
    try {
      this.#pager ??= new Pager(this.#command);
    } catch {
      // Deno without `--allow-run` refuses to start a program.
      this.#command = undefined;
      this.#isOpen = this.#terminal.writeBytes(1, bytes);
      return;
    }
    this.#isOpen = await this.#pager.write(bytes);
  }
}

/**
 * Returns the command line of the pager, as git chooses it: `DELTAR_PAGER`, or
 * else `PAGER`, or else `less`. Returns `undefined` if standard output is not a
 * terminal, if the terminal is dumb, if the first of these variables that is
 * set is empty or `cat`, or if neither is set and `less` is not installed.
 */
function pagerCommand(): string | undefined {
  if (!process.stdout.isTTY || isDumb()) return undefined;
  const { DELTAR_PAGER, PAGER } = process.env;
  const named = DELTAR_PAGER ?? PAGER;
  if (named !== undefined) {
    return named === "" || named === "cat" ? undefined : named;
  }
  return programFile(DEFAULT_PAGER) === undefined ? undefined : DEFAULT_PAGER;
}

/** The exit codes of a shell that cannot run or cannot find a command. */
const NOT_RUN: readonly number[] = [126, 127];

/** A running pager. */
class Pager {
  readonly #child: ChildProcess;
  readonly #command: string;
  readonly #ended: Promise<void>;
  /**
   * The exit code of the shell, or `null` if the shell has not ended or was
   * ended by a signal.
   */
  #code: number | null = null;
  /** The reason why the shell could not be started. */
  #error: Error | undefined;
  #isOpen = true;
  /** Whether the pager received the whole output. */
  #isComplete = false;
  /** Whether an interrupt ended the output before it was complete. */
  isInterrupted = false;
  /**
   * Whether an interrupt happened. If so, an exit code other than 0 is not an
   * error of the pager.
   */
  #hadInterrupt = false;
  /** The handlers of interrupts that were set before the pager was started. */
  readonly #handlers = process.listeners("SIGINT");
  /** Called when the pager might accept more bytes. */
  #wake = () => {};

  /** Starts a pager. The system's shell runs its command line. */
  constructor(command: string) {
    this.#command = command;
    this.#child = spawn(command, {
      shell: true,
      stdio: ["pipe", "inherit", "inherit"],
      env: { ...process.env, LESS: process.env.LESS ?? LESS },
    });
    const stop = () => {
      this.#isOpen = false;
      this.#wake();
    };
    this.#child.stdin?.on("drain", () => this.#wake());
    // If the user leaves the pager before the output is complete, the pager
    // closes its input, and writing to the input fails.
    this.#child.stdin?.on("error", stop);
    this.#ended = new Promise((resolve) => {
      const end = () => {
        stop();
        resolve();
      };
      this.#child.on("error", (error) => {
        this.#error = error;
        end();
      }).on("exit", (code) => {
        this.#code = code;
        end();
      });
    });
    // An interrupt also reaches the pager, which continues to show the output
    // so far. The interrupt ends the output, but this process must wait for the
    // pager, because the pager and the user's shell cannot both read the
    // terminal.
    process.removeAllListeners("SIGINT");
    process.on("SIGINT", () => {
      this.#hadInterrupt = true;
      this.isInterrupted ||= !this.#isComplete;
      stop();
    });
  }

  /** Writes bytes, and returns whether the pager accepts more. */
  async write(bytes: Uint8Array): Promise<boolean> {
    if (!this.#isOpen) return false;
    if (this.#child.stdin?.write(bytes) === false) {
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
    // The handlers for an interrupt and for the pager's exit must be able to
    // run between two writes.
    await new Promise((resolve) => setImmediate(resolve));
    return this.#isOpen;
  }

  /**
   * Ends the input of the pager, and waits until the user leaves it.
   *
   * @throws {DeltarError} `not-found` if the command could not be run; `io` if
   * it ended with an error that no interrupt caused.
   */
  async close(): Promise<void> {
    this.#isComplete = this.#isOpen;
    this.#child.stdin?.end();
    await this.#ended;
    process.removeAllListeners("SIGINT");
    for (const handler of this.#handlers) process.on("SIGINT", handler);
    const isNotRun = this.#error !== undefined ||
      NOT_RUN.includes(this.#code ?? 0);
    if (!isNotRun && (!this.#code || this.#hadInterrupt)) return;
    const what = isNotRun
      ? "cannot run the pager"
      : `the pager failed with exit code ${this.#code}`;
    throw new DeltarError(
      isNotRun ? "not-found" : "io",
      `${what}. Set DELTAR_PAGER to another pager, or add \`--no-pager\`.`,
      { object: this.#command, cause: this.#error },
    );
  }
}
