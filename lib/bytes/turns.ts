/** How long others may have to wait for their turn, in milliseconds. */
const PAUSE = 100;

/**
 * Gives signals, timers and the garbage collector a moment of their own in long
 * work that never waits for anything.
 */
export class Turns {
  #last = performance.now();

  /** Resolves when others have had their turn; `undefined` if none is due. */
  next(): Promise<void> | undefined {
    if (performance.now() - this.#last <= PAUSE) return undefined;
    return new Promise((resolve) =>
      setTimeout(() => {
        this.#last = performance.now();
        resolve();
      }, 0)
    );
  }
}
