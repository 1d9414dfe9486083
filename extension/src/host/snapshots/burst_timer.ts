/** The interval at which a burst is checked for new changes, in milliseconds. */
export const CHECK_MS = 2000;

/** The maximum number of checks in a burst. */
export const MAX_CHECKS = 5;

/**
 * The minimum time from the end of a call of the function to the next burst, in
 * milliseconds.
 */
export const MIN_PAUSE_MS = 30_000;

/**
 * The maximum pause after a call of the function, in milliseconds. Without this
 * limit, the pause could last for days if the machine slept during the call.
 */
export const MAX_PAUSE_MS = 600_000;

/**
 * The minimum pause after a call of the function, as a multiple of the call's
 * duration, up to `MAX_PAUSE_MS`. The pause limits the calls to about a
 * twentieth of the time if the changes never stop.
 */
const PAUSE_PER_DURATION = 20;

/**
 * Calls a function after a burst of changes: when no change was noted between
 * two checks, or after the last check if the changes go on. Changes during the
 * call and the pause after it begin the next burst when the pause is over.
 *
 * Noting a change costs only one assignment, so a burst can have any number of
 * changes.
 */
export class BurstTimer {
  readonly #work: () => Promise<number | undefined>;
  readonly #now: () => number;
  /** Whether a change was noted since the last check. */
  #isNoted = false;
  /** Whether a burst, a call or a pause is in progress. */
  #isActive = false;
  #isDisposed = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /**
   * Makes a timer.
   *
   * @param work The function that is called after each burst. Its promise must
   * not reject. The promise resolves to the duration of the work in
   * milliseconds, without the time spent waiting for other work or for the
   * user. If it resolves to `undefined`, the timer uses the duration of the
   * whole call.
   * @param now Returns the current time in milliseconds. Only the difference
   * between two times is used.
   */
  constructor(
    work: () => Promise<number | undefined>,
    now = () => performance.now(),
  ) {
    this.#work = work;
    this.#now = now;
  }

  /**
   * Whether a change was noted since the last check. If so, another call to
   * `note` has no effect.
   */
  get isNoted(): boolean {
    return this.#isNoted;
  }

  /** Notes a change. */
  note(): void {
    this.#isNoted = true;
    if (!this.#isActive && !this.#isDisposed) this.#begin();
  }

  /** Stops the timer. After that, `work` is not called again. */
  dispose(): void {
    this.#isDisposed = true;
    clearTimeout(this.#timer);
  }

  #begin(): void {
    this.#isActive = true;
    this.#isNoted = false;
    this.#wait(CHECK_MS, () => this.#check(1));
  }

  #check(count: number): void {
    if (this.#isNoted && count < MAX_CHECKS) {
      this.#isNoted = false;
      this.#wait(CHECK_MS, () => this.#check(count + 1));
    } else void this.#call();
  }

  async #call(): Promise<void> {
    this.#isNoted = false;
    const started = this.#now();
    const duration = await this.#work() ?? this.#now() - started;
    const pause = Math.max(MIN_PAUSE_MS, PAUSE_PER_DURATION * duration);
    this.#wait(Math.min(pause, MAX_PAUSE_MS), () => {
      this.#isActive = false;
      if (this.#isNoted) this.#begin();
    });
  }

  #wait(time: number, then: () => void): void {
    if (!this.#isDisposed) this.#timer = setTimeout(then, time);
  }
}
