/** Statistics of the event loop during some work. */
export interface Watched {
  /** The number of times that a timer fired. */
  turns: number;
  /** The longest time that the timer had to wait, in milliseconds. */
  longest: number;
  /** The time that the work took, in milliseconds. */
  elapsed: number;
}

/** Runs work, and measures how often a timer can fire during this work. */
export async function watchTurns(
  work: () => Promise<unknown>,
): Promise<Watched> {
  const begun = performance.now();
  let last = begun;
  let turns = 0;
  let longest = 0;
  const look = () => {
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
  };
  const timer = setInterval(() => {
    turns++;
    look();
  }, 1);
  try {
    await work();
  } finally {
    look();
    clearInterval(timer);
  }
  return { turns, longest, elapsed: performance.now() - begun };
}
