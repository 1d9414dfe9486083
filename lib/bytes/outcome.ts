/** The result of a promise, or the error with which it rejected. */
export type Outcome<Result> =
  | { result: Result; error?: undefined }
  | { result?: undefined; error: unknown };

/** Waits for a promise, and returns its result or its error. */
export async function outcomeOf<Result>(
  work: Promise<Result>,
): Promise<Outcome<Result>> {
  try {
    return { result: await work };
  } catch (error) {
    return { error };
  }
}
