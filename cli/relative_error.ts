import { DeltarError } from "../mod.ts";
import { isWithin } from "../lib/tree/mod.ts";

/**
 * Returns an error with its path relative to a folder. An error without a path
 * in the folder is returned unchanged.
 *
 * @param error The error.
 * @param folder The path of the folder, `""` for the root.
 */
export function relativeError<Thrown>(
  error: Thrown,
  folder: string,
): Thrown | DeltarError {
  if (!(error instanceof DeltarError) || folder === "") return error;
  const { code, object, path, message, cause } = error;
  if (path === undefined || path === folder || !isWithin(path, folder)) {
    return error;
  }
  const location = object === undefined ? `${path}: ` : `${object}: ${path}: `;
  return new DeltarError(code, message.slice(location.length), {
    object,
    path: path.slice(folder.length + 1),
    cause,
  });
}
