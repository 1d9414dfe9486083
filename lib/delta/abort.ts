import { DeltarError } from "../bytes/errors.ts";

/** @throws {DeltarError} `aborted`, with the signal's reason as cause. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) {
    throw new DeltarError("aborted", "stopped", { cause: signal.reason });
  }
}
