/** The result of some work, or the error that the work threw. */
export type Outcome<Result> =
  | { result: Result; error?: undefined }
  | { result?: undefined; error: unknown };

/** Waits for some work, and returns its result or its error. */
export async function outcomeOf<Result>(
  work: Promise<Result>,
): Promise<Outcome<Result>> {
  try {
    return { result: await work };
  } catch (error) {
    return { error };
  }
}
