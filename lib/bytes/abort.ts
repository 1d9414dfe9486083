import { DeltarError } from "./errors.ts";

/** Options of every asynchronous method. */
export interface SignalOptions {
  /** Ends the work with an error of code `aborted`. */
  signal?: AbortSignal;
}

/**
 * Ends the work here if the caller asked for it.
 *
 * @throws {DeltarError} `aborted`, with the signal's reason as its cause.
 */
export function checkAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) {
    throw new DeltarError("aborted", "stopped by the caller", {
      cause: signal.reason,
    });
  }
}
