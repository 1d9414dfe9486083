import type { Stats } from "node:fs";
import { fs, nodePath } from "../bytes/node.ts";
import { DeltarError } from "../bytes/errors.ts";
import { fileError } from "./file.ts";
import { isSuperuser } from "./this_system.ts";

/**
 * The maximum number of symlinks that are followed in one path. Linux has the
 * same limit.
 */
const MAX_LINKS = 40;

/**
 * Returns a directory's absolute path. If this process runs as root, symlinks
 * in the path are resolved, and a symlink that belongs to another user is
 * refused, because that user could change it before the directory is written
 * to.
 *
 * @param target The path, in the syntax of the operating system. It need not
 * exist.
 * @throws {DeltarError} `unsafe` for a symlink that belongs to another user;
 * `io` if the path has more than 40 symlinks or a part of the path cannot be
 * examined.
 */
export function realTarget(target: string): string {
  const place = nodePath.resolve(target);
  if (!isSuperuser()) return place;
  const waiting = place.split("/").reverse();
  let at = "/";
  let links = 0;
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    if (name === "" || name === ".") continue;
    if (name === "..") {
      at = nodePath.dirname(at);
      continue;
    }
    const next = nodePath.join(at, name);
    const stat = lookAt(next);
    if (!stat?.isSymbolicLink()) {
      at = next;
      continue;
    }
    const text = fs.readlinkSync(next);
    if (stat.uid !== 0) {
      throw new DeltarError(
        "unsafe",
        `the symlink belongs to user ${stat.uid}, who could change it; ` +
          `use the path of the directory that the symlink points to: ${text}`,
        { object: next },
      );
    }
    if (++links > MAX_LINKS) {
      throw new DeltarError(
        "io",
        `too many symlinks in the path: at most ${MAX_LINKS}`,
        {
          object: place,
        },
      );
    }
    if (text.startsWith("/")) at = "/";
    waiting.push(...text.split("/").reverse());
  }
  return at;
}

function lookAt(place: string): Stats | undefined {
  try {
    return fs.lstatSync(place, { throwIfNoEntry: false });
  } catch (error) {
    throw fileError(error, place);
  }
}
