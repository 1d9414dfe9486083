import { unlessAborted } from "../../../lib/bytes/abort.ts";

/**
 * Work for several requests that wait for the same result. The work is aborted
 * when all of these requests are cancelled.
 */
export class SharedWork<Result> {
  /** The result of the work. */
  readonly result: Promise<Result>;
  readonly #controller = new AbortController();
  /** The number of requests that wait for the result. */
  #waiting = 0;
  #hasEnded = false;

  /**
   * Starts the work.
   *
   * @param work Called once, with a signal that is aborted when all requests
   * have been cancelled. Returns the result.
   */
  constructor(work: (signal: AbortSignal) => Promise<Result>) {
    this.result = work(this.#controller.signal);
    const end = () => void (this.#hasEnded = true);
    // An error is ignored here, because `wait` throws it for each request.
    this.result.then(end, end);
  }

  /** Whether all requests were cancelled before the work had ended. */
  get isCancelled(): boolean {
    return this.#controller.signal.aborted;
  }

  /**
   * Waits for the result, and returns it.
   *
   * @param signal The signal that is aborted when the request is cancelled.
   * @throws {DeltarError} `aborted` if the signal fired; the error of the work.
   */
  async wait(signal: AbortSignal): Promise<Result> {
    this.#waiting++;
    try {
      return await unlessAborted(this.result, signal);
    } finally {
      this.#waiting--;
      if (this.#waiting === 0 && signal.aborted && !this.#hasEnded) {
        this.#controller.abort();
      }
    }
  }
}
