import { isFolder } from "../../../../shared/location_sum.ts";
import { isTooMuch } from "../../../../shared/too_much.ts";
import type { ProtectedFolder } from "../folders/protected_folder.ts";

/**
 * Returns whether the first snapshot of a folder may be taken before the user
 * saves a file or asks for a snapshot. The result is `false` if the repository
 * is on a server, or if the folder is a home folder or a whole disk.
 */
export function mayBeginUnasked({ uri, config }: ProtectedFolder): boolean {
  return isFolder(config.repository) && isTooMuch(uri.fsPath) === undefined;
}
