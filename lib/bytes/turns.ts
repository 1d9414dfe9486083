/**
 * Gives signals, timers and the garbage collector a moment of their own in long
 * work that never waits for anything.
 */
export class Turns {
  readonly #pause: number;
  #last = performance.now();

  /**
   * Begins to count.
   *
   * @param pause How long others may have to wait for their turn, in
   * milliseconds; what makes much garbage is to let it be collected often.
   */
  constructor(pause = 100) {
    this.#pause = pause;
  }

  /** Resolves when others have had their turn; `undefined` if none is due. */
  next(): Promise<void> | undefined {
    if (performance.now() - this.#last <= this.#pause) return undefined;
    return new Promise((resolve) =>
      setTimeout(() => {
        this.#last = performance.now();
        resolve();
      }, 0)
    );
  }
}
