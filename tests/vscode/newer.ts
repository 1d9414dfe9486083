import * as fs from "node:fs";
import { join } from "node:path";

/**
 * Returns whether a file exists and was written after all sources were last
 * changed. The time of a folder counts too, because it changes when a file in
 * the folder is deleted or renamed.
 *
 * @param file The path of the file.
 * @param sources The paths of files and folders, which must exist.
 * @param products The paths below the sources that are not sources themselves.
 */
export function isNewer(
  file: string,
  sources: readonly string[],
  products: readonly string[] = [],
): boolean {
  const written = fs.statSync(file, { throwIfNoEntry: false })?.mtimeMs;
  if (written === undefined) return false;
  const isOlder = (path: string): boolean => {
    if (products.includes(path)) return true;
    const stat = fs.statSync(path);
    return stat.mtimeMs < written && (!stat.isDirectory() ||
      fs.readdirSync(path).every((name) => isOlder(join(path, name))));
  };
  return sources.every(isOlder);
}
