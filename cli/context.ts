import type { Command } from "commander";

/** Makes the command line, with the named commands or all. */
export type MakeProgram = (names?: readonly string[]) => Promise<Command>;

/** The surroundings of a command's action, with its exit code. */
export interface Context {
  /** Fires when the user interrupts; asked for once, by who heeds it. */
  readonly signal: AbortSignal;
  /** The exit code of the process. */
  code: number;
  /** A sentence about what an interruption leaves, and how to go on. */
  interrupted?: string;
}
