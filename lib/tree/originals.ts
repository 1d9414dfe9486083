import { nodePath } from "../bytes/node.ts";
import type { FileStat } from "./statx.ts";
import { lstat } from "./stat.ts";

/**
 * The difference in nanoseconds below which two times count as equal. The time
 * of an original can differ from that of its file by about a microsecond,
 * because copying a time rounds it.
 */
const MAX_TIME_DIFFERENCE_NS = 1_000_000n;

/**
 * Returns the path of a file's original, which is an earlier copy of the file.
 * The path is in the syntax of the operating system. Returns `undefined` if the
 * file has no original, or has not changed since the original was made.
 *
 * @param originals The folder that contains the originals.
 * @param path The path of the file below the root. The original has the same
 * path below `originals`.
 * @param state The current size and time of the file.
 */
export function originalOf(
  originals: string,
  path: string,
  state: Pick<FileStat, "size" | "mtime">,
): string | undefined {
  const place = nodePath.join(originals, path);
  let original: FileStat;
  try {
    original = lstat(place);
  } catch {
    return undefined;
  }
  if (original.kind !== "file") return undefined;
  const later = state.mtime - original.mtime;
  const isSame = state.size === original.size &&
    later < MAX_TIME_DIFFERENCE_NS && later > -MAX_TIME_DIFFERENCE_NS;
  return isSame ? undefined : place;
}
