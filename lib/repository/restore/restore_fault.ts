import { DeltarError, isDamage } from "../../bytes/errors.ts";
import { endsAll } from "../../tree/file.ts";

/**
 * Whether a fault is of one path, so that the others are restored all the
 * same. A fault of the target is, unless the disk or the process can do no
 * more. A fault of the repository is if one object is damaged or cannot be
 * read; a server that does not answer ends everything.
 */
export function isOfOnePath(error: unknown): error is DeltarError {
  if (isDamage(error)) return true;
  if (!(error instanceof DeltarError) || error.code === "aborted") return false;
  if (error.code !== "io") return true;
  if (error.path !== undefined) return !endsAll(error);
  const { code } = (error.cause ?? {}) as { code?: string };
  return code !== undefined && OF_ONE_OBJECT.has(code);
}

/** The errors of a disk that cannot read one file of a local repository. */
const OF_ONE_OBJECT: ReadonlySet<string> = new Set([
  "EACCES",
  "EIO",
  "EISDIR",
  "ELOOP",
  "EPERM",
]);
