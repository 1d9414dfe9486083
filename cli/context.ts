import type { Command } from "commander";
import { EXIT } from "./exit.ts";
import type { KeptRepositories } from "./kept_repositories.ts";
import { OpenedRepositories } from "./opened.ts";
import { Terminal } from "./terminal.ts";

/**
 * Called with the names of the commands to load, or without an argument to load
 * all commands. Makes the command line. Commands that are not loaded have only
 * a name and a summary.
 */
export type MakeProgram = (names?: readonly string[]) => Promise<Command>;

/** The amount of output. */
export type Verbosity = "quiet" | "normal" | "verbose";

/**
 * The state of one invocation of deltar, or of one call to its MCP server.
 */
export class Context {
  /** The standard output and standard error of the process. */
  readonly terminal: Terminal = new Terminal();
  /** The repositories that the current command has opened. */
  opened: OpenedRepositories = new OpenedRepositories();
  /**
   * The repositories that stay open between calls to the MCP server. Absent
   * outside the server.
   */
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
  /**
   * The state after an interruption and how to continue, in words. Absent for
   * short commands.
   */
  interrupted?: string;
  readonly #signal: () => AbortSignal;

  /**
   * Makes the state for one invocation or call.
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
