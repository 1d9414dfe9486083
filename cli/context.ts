/** What a command's action is given, and where it leaves its exit code. */
export interface Context {
  /** Fires when the user interrupts. */
  readonly signal: AbortSignal;
  /** The exit code of the process. */
  code: number;
}
