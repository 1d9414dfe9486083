import { realpathSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, resolve } from "node:path";

/**
 * Returns a description of a directory that a user rarely means to back up: the
 * user's home folder or a whole disk. Returns `undefined` for any other
 * directory.
 */
export function isTooMuch(directory: string): string | undefined {
  const place = canonical(directory);
  return place === dirname(place)
    ? "a whole disk"
    : place === canonical(homedir())
    ? "a home folder"
    : undefined;
}

/**
 * Returns the absolute path of a directory, without symlinks and, on Windows,
 * with the names spelled as on the disk. Paths from different sources can then
 * be compared: VS Code writes the letter of a drive in lower case, and
 * `homedir` returns it in upper case. A path that cannot be resolved is only
 * made absolute.
 */
export function canonical(directory: string): string {
  try {
    return realpathSync.native(directory);
  } catch {
    return resolve(directory);
  }
}
