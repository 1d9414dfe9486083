/** The result of some work, or the error that the work threw. */
export type Attempt<Result> =
  | { result: Result; error?: undefined }
  | { result?: undefined; error: unknown };

/** Waits for some work, and returns its result or its error. */
export async function attempt<Result>(
  work: Promise<Result>,
): Promise<Attempt<Result>> {
  try {
    return { result: await work };
  } catch (error) {
    return { error };
  }
}
