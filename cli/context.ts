/** What a command's action is given, and where it leaves its exit code. */
export interface Context {
  /** Fires when the user interrupts; asked for once, by who heeds it. */
  readonly signal: AbortSignal;
  /** The exit code of the process. */
  code: number;
}
