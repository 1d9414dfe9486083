/**
 * Waits for work, but not longer than the given time. The work itself is not
 * stopped.
 *
 * @param limit The maximum time in milliseconds.
 * @param work The promise of the work. If it rejects within the time, the error
 * is thrown.
 */
export async function within(
  limit: number,
  work: Promise<unknown>,
): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const end = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, limit);
  });
  await Promise.race([work, end]).finally(() => clearTimeout(timer));
}
