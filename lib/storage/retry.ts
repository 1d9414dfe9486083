import { pause } from "../bytes/pause.ts";
import { checkAborted } from "../bytes/abort.ts";
import type { DeltarError } from "../bytes/errors.ts";

/** The default maximum number of attempts at a request. */
export const DEFAULT_ATTEMPTS = 8;
/**
 * The maximum length of the first pause, in milliseconds. The maximum doubles
 * with each attempt.
 */
const MAX_FIRST_PAUSE_MS = 100;
/** The maximum pause between two attempts, in milliseconds. */
const MAX_PAUSE_MS = 20_000;

/** An error for a temporary fault. A later attempt might succeed. */
export class PassingFault extends Error {
  /** The error that the caller gets if no attempt succeeds. */
  readonly fault: DeltarError;
  /**
   * The delay in milliseconds that the server asks for before the next attempt;
   * 0 if the server asks for none. `retried` waits for at most `MAX_PAUSE_MS`.
   */
  readonly wait: number;
  /** The maximum number of attempts at a request that fails with this fault. */
  readonly attempts: number;

  /**
   * Wraps a fault that might be temporary.
   *
   * @param fault The error that the caller gets if no attempt succeeds.
   * @param limits The delay that the server asks for, in milliseconds (default:
   *   0), and the maximum number of attempts (default: no maximum).
   */
  constructor(
    fault: DeltarError,
    { wait = 0, attempts = Infinity }: { wait?: number; attempts?: number } =
      {},
  ) {
    super(fault.message, { cause: fault });
    this.fault = fault;
    this.wait = wait;
    this.attempts = attempts;
  }
}

/**
 * Calls `work` until it succeeds or throws something other than a
 * `PassingFault`. The number of calls is limited by `attempts` and by the fault
 * itself. Between calls, waits for a random time, so that many clients do not
 * retry at the same moment. The maximum of this time doubles with each call
 * ("full jitter", Exponential Backoff And Jitter, AWS Architecture Blog, 2015).
 * If the server asks for a longer delay, waits for that delay, but for at most
 * 20 seconds.
 *
 * @param work Called with the number of earlier attempts.
 * @param options The maximum number of attempts, 8 by default, and a signal
 *   that ends the attempts.
 * @throws {DeltarError} `aborted` if the signal fired; the `fault` of the last
 *   `PassingFault` if no attempt succeeded.
 * @throws Any error of `work` that is not a `PassingFault`.
 */
export async function retried<Result>(
  work: (before: number) => Promise<Result>,
  { attempts = DEFAULT_ATTEMPTS, signal }: {
    attempts?: number;
    signal?: AbortSignal;
  },
): Promise<Result> {
  for (let before = 0;; before++) {
    checkAborted(signal);
    try {
      return await work(before);
    } catch (error) {
      checkAborted(signal);
      if (!(error instanceof PassingFault)) throw error;
      if (before + 1 >= Math.min(attempts, error.attempts)) throw error.fault;
      const bound = Math.min(MAX_FIRST_PAUSE_MS * 2 ** before, MAX_PAUSE_MS);
      const time = Math.max(Math.random() * bound, error.wait);
      await pause(Math.min(time, MAX_PAUSE_MS), signal);
    }
  }
}
