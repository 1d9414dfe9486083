import { codeOf } from "../bytes/errors.ts";
import { fs, nodePath } from "../bytes/node.ts";

/** The most symlinks that one path may lead through. */
const LINKS = 40;

/**
 * The one spelling of a place: absolute, without symlinks, and with the names
 * as the disk has them, whatever their case in `path`. What does not exist yet
 * keeps its spelling.
 *
 * @param path A path of the operating system.
 */
export function truePlace(path: string, links: number = LINKS): string {
  const place = withoutPrefix(nodePath.resolve(path));
  const parent = nodePath.dirname(place);
  try {
    return withoutPrefix(fs.realpathSync.native(place));
  } catch (error) {
    const code = codeOf(error);
    if (parent === place) return place.toUpperCase();
    if (code !== "ENOENT" || links === 0) return place;
  }
  const target = linkTarget(place);
  return target === undefined
    ? nodePath.join(truePlace(parent, links), nodePath.basename(place))
    : truePlace(nodePath.resolve(truePlace(parent), target), links - 1);
}

/** A path without what Windows lets stand before it: `\\?\C:\x` is `C:\x`. */
function withoutPrefix(path: string): string {
  return path.replace(
    /^\\\\[?.]\\(?:UNC\\(?=[^\\])|(?=[a-z]:))/i,
    (prefix) => /UNC/i.test(prefix) ? "\\\\" : "",
  );
}

function linkTarget(place: string): string | undefined {
  try {
    return fs.readlinkSync(place);
  } catch {
    return undefined;
  }
}

/**
 * The path of a place below a directory, `/`-separated and `""` for the
 * directory itself, whichever spellings the two have.
 *
 * @returns `undefined` if the place is elsewhere.
 */
export function pathBelow(
  directory: string,
  place: string,
): string | undefined {
  // A record may be of another system, whose paths are not absolute here.
  if (!nodePath.isAbsolute(directory)) return undefined;
  const way = nodePath.relative(truePlace(directory), truePlace(place));
  const path = way.split(nodePath.sep).join("/");
  const isElsewhere = path === ".." || path.startsWith("../") ||
    nodePath.isAbsolute(way);
  return isElsewhere ? undefined : path;
}

/** The identity of a file system. */
export interface FileSystemIdentity {
  /** Where it is mounted: on Windows the drive. */
  mount: string;
  /** A mark that differs between file systems mounted at the same place. */
  mark: string;
}

/**
 * The file system that holds a place, or will hold it once it is made.
 *
 * The mount point is found by going up for as long as the device stays the
 * same. The time at which the mount point's own folder was born is the time at
 * which the file system was made; it does not change when the disk is plugged
 * in again, as the number of the device does. Where the file system does not
 * know it, its kind and size have to do, and on Windows the volume's serial
 * number.
 *
 * @param path A path of the operating system.
 * @throws {Error} What the system says if nothing can be learned.
 */
export function fileSystemOf(path: string): FileSystemIdentity {
  let at = truePlace(path);
  while (!fs.existsSync(at)) at = nodePath.dirname(at);
  const { dev } = fs.statSync(at, { bigint: true });
  for (;;) {
    const above = nodePath.dirname(at);
    if (above === at || fs.statSync(above, { bigint: true }).dev !== dev) break;
    at = above;
  }
  const { birthtimeMs } = fs.statSync(at, { bigint: true });
  if (nodePath.sep === "\\") return { mount: at, mark: `volume ${dev}` };
  const { type, blocks, bsize } = fs.statfsSync(at);
  const mark = birthtimeMs > 0n
    ? `${type} made ${birthtimeMs}`
    : `${type} of ${blocks * bsize}`;
  return { mount: at, mark };
}
