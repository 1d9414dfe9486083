import { DeltarError } from "../lib/delta/mod.ts";
import { codeOf } from "../shared/error_code.ts";

/** Makes a system call. If it fails, throws an error that names the file. */
export function attempt<Result>(object: string, call: () => Result): Result {
  try {
    return call();
  } catch (cause) {
    const code = codeOf(cause) === "ENOENT" ? "not-found" : "io";
    throw new DeltarError(code, (cause as Error).message, { object, cause });
  }
}
