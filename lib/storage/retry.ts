import { pause } from "../bytes/pause.ts";
import { checkAborted } from "../bytes/abort.ts";
import type { DeltarError } from "../bytes/errors.ts";

/** The maximum number of attempts at a request. */
export const ATTEMPTS = 8;
/** The first pause is shorter than this, in milliseconds; each next doubles. */
const FIRST_PAUSE = 100;
/** No pause is longer than this, in milliseconds. */
const LONGEST_PAUSE = 20_000;

/** A fault that may be gone when the same is tried again. */
export class PassingFault extends Error {
  /** The error that the caller gets if no attempt succeeds. */
  readonly fault: DeltarError;
  /** The delay that the server asks for, in milliseconds. */
  readonly wait: number;
  /** The maximum number of attempts. */
  readonly attempts: number;

  /** Says that `fault` may pass. */
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
 * Does something until it works, does not fail with a `PassingFault`, or was
 * tried `attempts` times. Between tries it pauses for a random time whose bound
 * doubles ("full jitter", Exponential Backoff And Jitter, AWS Architecture
 * Blog, 2015), so that many clients do not come back at once.
 *
 * @param work Is given how often it was tried before.
 * @throws {DeltarError} `aborted`, or the last fault.
 */
export async function retried<Result>(
  work: (before: number) => Promise<Result>,
  { attempts = ATTEMPTS, signal }: { attempts?: number; signal?: AbortSignal },
): Promise<Result> {
  for (let before = 0;; before++) {
    checkAborted(signal);
    try {
      return await work(before);
    } catch (error) {
      checkAborted(signal);
      if (!(error instanceof PassingFault)) throw error;
      if (before + 1 >= Math.min(attempts, error.attempts)) throw error.fault;
      const bound = Math.min(FIRST_PAUSE * 2 ** before, LONGEST_PAUSE);
      const time = Math.max(Math.random() * bound, error.wait);
      await pause(Math.min(time, LONGEST_PAUSE), signal);
    }
  }
}
