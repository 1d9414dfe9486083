import { DeltarError } from "../../bytes/errors.ts";
import { isDamage } from "../damage.ts";

/** Whether a fault is of one path, so that the others are restored all the same. */
export function isOfOnePath(error: unknown): error is DeltarError {
  if (isDamage(error)) return true;
  if (!(error instanceof DeltarError)) return false;
  if (error.code !== "io") {
    return ["mismatch", "changed", "exists"].includes(error.code);
  }
  const { code } = (error.cause ?? {}) as { code?: string };
  return code !== undefined && OF_ONE_NAME.has(code);
}

/** What a system says of a name that it cannot take, or may not. */
const OF_ONE_NAME: ReadonlySet<string> = new Set([
  "EACCES",
  "EBUSY",
  "EEXIST",
  "EILSEQ",
  "EINVAL",
  "EISDIR",
  "ELOOP",
  "ENAMETOOLONG",
  "ENOTDIR",
  "ENOTEMPTY",
  "EPERM",
  "ETXTBSY",
]);
