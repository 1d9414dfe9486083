import { DeltarError } from "./errors.ts";

/** Options of every asynchronous method. */
export interface SignalOptions {
  /** Ends the work with an error of code `aborted`. */
  signal?: AbortSignal;
}

/**
 * Waits for something that cannot be ended, unless the caller asks to end the
 * work before: it goes on then, and nobody waits for it.
 *
 * @throws {DeltarError} `aborted` if the signal fired first.
 */
export async function unlessAborted<Result>(
  work: Promise<Result>,
  signal: AbortSignal | undefined,
): Promise<Result> {
  if (signal === undefined) return await work;
  let stop = () => {};
  const aborted = new Promise<void>((resolve) => stop = resolve);
  signal.addEventListener("abort", stop, { once: true });
  try {
    if (!signal.aborted) await Promise.race([work, aborted]);
    checkAborted(signal);
    return await work;
  } finally {
    signal.removeEventListener("abort", stop);
    // What becomes of it then is nobody's concern.
    work.catch(() => {});
  }
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
