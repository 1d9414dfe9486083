/**
 * Waits for several pieces of work that run at the same time. If one fails, the
 * function still waits for the others.
 *
 * @param works The work, as promises of it.
 * @returns The results, in the order of the work.
 * @throws The error of the first one, in order, that failed.
 */
export async function together<const Works extends readonly unknown[]>(
  works: Works,
): Promise<{ -readonly [At in keyof Works]: Awaited<Works[At]> }> {
  await Promise.allSettled(works);
  return await Promise.all(works) as {
    -readonly [At in keyof Works]: Awaited<Works[At]>;
  };
}
