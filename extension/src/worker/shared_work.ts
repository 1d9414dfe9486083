// The library's `mod.ts` does not export the following, because programs other
// than the extension do not need it.
import { unlessAborted } from "../../../lib/bytes/abort.ts";

/**
 * Work whose result several requests wait for. It ends early when all of these
 * requests are cancelled.
 */
export class SharedWork<Result> {
  /** The result of the work. */
  readonly result: Promise<Result>;
  readonly #controller = new AbortController();
  /** The number of requests that wait. */
  #waiting = 0;
  #hasEnded = false;

  /**
   * Starts the work.
   *
   * @param work Called with the signal that fires when nothing waits for the
   * result any more.
   */
  constructor(work: (signal: AbortSignal) => Promise<Result>) {
    this.result = work(this.#controller.signal);
    const end = () => void (this.#hasEnded = true);
    // Each request receives the error from `wait`.
    this.result.then(end, end);
  }

  /** Whether all requests were cancelled before the work had ended. */
  get isCancelled(): boolean {
    return this.#controller.signal.aborted;
  }

  /**
   * Waits for the result.
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
