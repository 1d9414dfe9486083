import type { Command } from "commander";
import { EXIT } from "./exit.ts";
import type { KeptRepositories } from "./kept_repositories.ts";
import { OpenedRepositories } from "./opened.ts";
import { Terminal } from "./terminal.ts";

/**
 * Called with the names of commands, or without names for all commands. Makes
 * the command line with these commands.
 */
export type MakeProgram = (names?: readonly string[]) => Promise<Command>;

/** The amount of output. */
export type Verbosity = "quiet" | "normal" | "verbose";

/**
 * The state of one run of the command line, which is passed to each command.
 */
export class Context {
  /** The output of the process. */
  readonly terminal: Terminal = new Terminal();
  /** The repositories that the current command has opened. */
  opened: OpenedRepositories = new OpenedRepositories();
  /** The repositories that stay open between the calls of a server, if any. */
  kept?: KeptRepositories;
  /** The amount of output. */
  verbosity: Verbosity = "normal";
  /** Whether errors are printed as JSON. */
  json = false;
  /** The exit code of the process. */
  code: number = EXIT.done;
  /**
   * Whether an interrupt stops this command. False while `deltar run` waits for
   * its command, which also receives the interrupt from the terminal.
   */
  isInterruptible: boolean = true;
  /** The state after an interruption and how to continue, in words. */
  interrupted?: string;
  readonly #signal: () => AbortSignal;

  /**
   * Begins a run.
   *
   * @param signal Called each time a command reads the property `signal`.
   * Returns the signal that fires when the user interrupts the command.
   */
  constructor(signal: () => AbortSignal) {
    this.#signal = signal;
  }

  /** The signal that fires when the user interrupts the command. */
  get signal(): AbortSignal {
    return this.#signal();
  }
}
