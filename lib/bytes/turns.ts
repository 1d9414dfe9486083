import { checkAborted } from "./abort.ts";
import { builtin } from "./builtin.ts";

/** The maximum time that timers, signals and I/O wait, in milliseconds. */
const MAX_WAIT_MS = 8;

const timers = builtin("node:timers");

/** The time at which the last turn ended. A thread has one event loop. */
let last = performance.now();

/**
 * Gives the event loop a turn if it has had none for a while. Work that never
 * waits for anything, or only for promises that are settled already, keeps
 * timers, signals, aborts and I/O from being served, whatever it awaits. So
 * every loop that can run for long asks here, once for each step of at most a
 * few milliseconds:
 *
 *     const turn = turnIfDue();
 *     if (turn !== undefined) await turn;
 *
 * @returns A promise of the end of the turn, `undefined` if none is due; asking
 * costs about as much as reading the clock.
 */
export function turnIfDue(): Promise<void> | undefined {
  if (performance.now() - last < MAX_WAIT_MS) return undefined;
  return new Promise((resolve) => {
    const done = () => {
      last = performance.now();
      resolve();
    };
    // An immediate runs behind the timers and I/O that are due, and waits for
    // nothing; a timer of zero milliseconds takes at least one.
    if (timers) timers.setImmediate(done);
    else setTimeout(done, 0);
  });
}

/**
 * Takes the steps of a generator, with turns of the event loop between them.
 *
 * @param steps Work that yields after each few milliseconds of it, at least.
 * @param signal Ends the work after a turn.
 * @returns What the generator returned.
 * @throws {DeltarError} `aborted` if the signal fired; what a step throws.
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
 * Passes on what a source gives, with turns of the event loop between.
 *
 * @param source The source.
 * @param signals Each ends the reading after a turn.
 * @throws {DeltarError} `aborted` if a signal fired; what the source throws.
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

/** Takes the steps of a generator at once, for callers that cannot wait. */
export function atOnce<Result>(steps: Generator<unknown, Result>): Result {
  while (true) {
    const { done, value } = steps.next();
    if (done) return value;
  }
}
