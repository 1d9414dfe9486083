/** What a command's action is given, and where it leaves its exit code. */
export interface Context {
  /** Fires when the user interrupts; asked for once, by who heeds it. */
  readonly signal: AbortSignal;
  /** The exit code of the process. */
  code: number;
  /** What is left if the user interrupts, and how it goes on. */
  interrupted?: string;
}
