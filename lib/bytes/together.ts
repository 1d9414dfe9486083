/**
 * Waits for several promises. If one of them rejects, the function still waits
 * for the others.
 *
 * @param works The promises.
 * @returns The results, in the order of the promises.
 * @throws The error of the first promise, in order, that rejected.
 */
export async function together<const Works extends readonly unknown[]>(
  works: Works,
): Promise<{ -readonly [At in keyof Works]: Awaited<Works[At]> }> {
  await Promise.allSettled(works);
  return await Promise.all(works) as {
    -readonly [At in keyof Works]: Awaited<Works[At]>;
  };
}
