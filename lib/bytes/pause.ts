/**
 * Resolves after a time, or as soon as a signal fires.
 *
 * @param milliseconds The time in milliseconds.
 * @param signal The signal that ends the pause early, without an error.
 */
export function pause(
  milliseconds: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    if (signal?.aborted) done();
    else signal?.addEventListener("abort", done);
  });
}
