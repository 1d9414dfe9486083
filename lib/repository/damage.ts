import { DeltarError } from "../bytes/errors.ts";

/** Called with the error of an object that cannot be read as it was stored. */
export type DamageHandler = (error: DeltarError) => void;

/** Whether an error says that a stored object is absent or not what it was. */
export function isDamage(error: unknown): error is DeltarError {
  return error instanceof DeltarError &&
    ["corrupt", "truncated", "not-found", "unsafe", "limit"]
      .includes(error.code);
}
