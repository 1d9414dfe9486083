import { checkAborted } from "./abort.ts";
import { builtin } from "./builtin.ts";

/**
 * The time in milliseconds after which a turn of the event loop is due, so that
 * timers, signals and I/O do not wait much longer.
 */
const MAX_WAIT_MS = 8;

const timers = builtin("node:timers");

/**
 * The time at which the last turn ended, in milliseconds, as `performance.now`
 * returns it. All work of a thread shares this variable, because a thread has
 * one event loop.
 */
let last = performance.now();

/**
 * Gives the event loop a turn if the last such turn ended at least 8 ms ago.
 * Work that never waits, or that only awaits promises that are already settled,
 * blocks timers, signals, aborts and I/O. A loop that can run for a long time
 * must call this function after each step of at most a few milliseconds:
 *
 *     const turn = turnIfDue();
 *     if (turn !== undefined) await turn;
 *
 * @returns A promise that resolves after the turn, or `undefined` if no turn is
 *   due. The call costs about as much as reading the clock.
 */
export function turnIfDue(): Promise<void> | undefined {
  if (performance.now() - last < MAX_WAIT_MS) return undefined;
  return new Promise((resolve) => {
    const done = () => {
      last = performance.now();
      resolve();
    };
    // An immediate runs after the timers and I/O that are due, without a delay.
    // A timer of zero milliseconds takes at least one millisecond.
    if (timers) timers.setImmediate(done);
    else setTimeout(done, 0);
  });
}

/**
 * Runs the steps of a generator, with turns of the event loop between them.
 *
 * @param steps Work that yields at least every few milliseconds.
 * @param signal The signal that aborts the work before the next step.
 * @returns The value that the generator returned.
 * @throws {DeltarError} `aborted` if the signal fired, and the errors of the
 *   steps.
 */
export async function inTurns<Result>(
  steps: Generator<unknown, Result, void>,
  signal?: AbortSignal,
): Promise<Result> {
  while (true) {
    checkAborted(signal);
    const { done, value } = steps.next();
    if (done) return value;
    const turn = turnIfDue();
    if (turn !== undefined) await turn;
  }
}

/**
 * Yields the items of a source, with turns of the event loop between them.
 *
 * @param source The source of the items.
 * @param signals The signals. If any of them fires, the generator throws before
 *   it yields the next item.
 * @throws {DeltarError} `aborted` if a signal fired, and the errors of the
 *   source.
 */
export async function* withTurns<One>(
  source: AsyncIterable<One>,
  ...signals: (AbortSignal | undefined)[]
): AsyncGenerator<One> {
  for await (const one of source) {
    const turn = turnIfDue();
    if (turn !== undefined) await turn;
    signals.forEach(checkAborted);
    yield one;
  }
}

/**
 * Runs all steps of a generator synchronously, for callers that cannot wait.
 * Returns the value that the generator returned.
 */
export function atOnce<Result>(steps: Generator<unknown, Result>): Result {
  while (true) {
    const { done, value } = steps.next();
    if (done) return value;
  }
}
