import { DeltarError } from "../lib/delta/mod.ts";
import { codeOf } from "../shared/error_code.ts";

/**
 * Makes a system call. If the call fails, throws an error that names the file.
 *
 * @param object The path of the file.
 * @param call Called once. Makes the system call.
 * @throws {DeltarError} `not-found` if the call fails with `ENOENT`; `io` if it
 * fails with any other error.
 */
export function attempt<Result>(object: string, call: () => Result): Result {
  try {
    return call();
  } catch (cause) {
    const code = codeOf(cause) === "ENOENT" ? "not-found" : "io";
    throw new DeltarError(code, (cause as Error).message, { object, cause });
  }
}
