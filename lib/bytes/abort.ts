import { DeltarError } from "./errors.ts";

/** Options for calls that can be aborted. */
export interface SignalOptions {
  /** The signal that aborts the work with an error of code `aborted`. */
  signal?: AbortSignal;
}

/**
 * Waits for work that cannot be aborted, but only until the signal fires. After
 * that, the work continues and its result is ignored.
 *
 * @param work The promise of the work's result.
 * @param signal The signal, if the caller passed one.
 * @throws {DeltarError} `aborted` if the signal fired first; otherwise the
 *   error of the work, if the work fails.
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
    // The result and the error of the work are ignored from here on.
    work.catch(() => {});
  }
}

/**
 * Throws an error if the caller's signal has fired.
 *
 * @param signal The signal, if the caller passed one.
 * @throws {DeltarError} `aborted` if the signal has fired. The cause is the
 *   signal's reason.
 */
export function checkAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) {
    throw new DeltarError(
      "aborted",
      "the operation was stopped by the caller",
      {
        cause: signal.reason,
      },
    );
  }
}
