import { errorMessage } from "../bytes/errors.ts";
import type { Skipped } from "./entry.ts";
import type { OpenFolders } from "./open_folders.ts";
import { readXattrs, type XattrAccess, type Xattrs } from "./xattrs.ts";

/**
 * Reads the extended attributes of an entry. If reading fails, the path is
 * reported to `onSkip`, and the entry is stored without its attributes.
 *
 * @param path The path below the root.
 * @param access Called once. Returns access to the attributes; `undefined` if
 * the runtime has no calls for extended attributes.
 * @param onSkip Called with the path if reading fails.
 * @returns The attributes; `undefined` if reading fails, or if the runtime has
 * no calls for extended attributes.
 */
export function xattrsOrSkip(
  path: string,
  access: () => XattrAccess | undefined,
  onSkip: ((skipped: Skipped) => void) | undefined,
): Xattrs | undefined {
  try {
    const opened = access();
    return opened && readXattrs(opened);
  } catch (error) {
    const detail = `cannot read the extended attributes: ${
      errorMessage(error)
    }`;
    onSkip?.({ path, reason: "changed", detail });
    return undefined;
  }
}

/**
 * Returns the extended attributes of the root of a directory; `undefined` if
 * they cannot be read.
 */
export function rootXattrs(folders: OpenFolders): Xattrs | undefined {
  return xattrsOrSkip("", () => folders.xattrsAt(""), undefined);
}
