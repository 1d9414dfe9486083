import { codeOf } from "../bytes/errors.ts";
import { fs, nodePath } from "../bytes/node.ts";

/**
 * The default maximum number of symlinks with absent targets that are followed
 * for one path.
 */
const MAX_LINKS = 40;

/**
 * Returns the canonical form of a path: absolute, without symlinks, and with
 * the names as the disk spells them. Segments that do not exist yet keep their
 * spelling. A path that the system refuses to resolve is only made absolute.
 *
 * @param path The path, in the syntax of the operating system.
 * @param links The maximum number of symlinks with absent targets that are
 * followed. Default: 40.
 *
 * @example
 * ```ts
 * import { truePlace } from "@deltar/deltar/tree";
 * import assert from "node:assert/strict";
 * import { realpathSync } from "node:fs";
 * import { join } from "node:path";
 *
 * assert.equal(truePlace("absent"), join(realpathSync("."), "absent"));
 * ```
 */
export function truePlace(path: string, links: number = MAX_LINKS): string {
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

/**
 * Returns a path without the prefix `\\?\` or `\\.\` of Windows: `\\?\C:\x`
 * becomes `C:\x`, and `\\?\UNC\server\x` becomes `\\server\x`.
 */
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
 * Returns a path relative to a directory that contains it, `/`-separated; `""`
 * for the directory itself. Symlinks in both arguments are resolved first; see
 * {@linkcode truePlace}.
 *
 * @param directory The path of the directory, in the syntax of the operating
 * system.
 * @param place The path of a file or folder, in the syntax of the operating
 * system.
 * @returns The relative path, or `undefined` if `place` is outside the
 * directory or `directory` is not absolute.
 *
 * @example
 * ```ts
 * import { pathBelow } from "@deltar/deltar/tree";
 * import assert from "node:assert/strict";
 * import process from "node:process";
 *
 * assert.equal(pathBelow(process.cwd(), "docs/page.md"), "docs/page.md");
 * assert.equal(pathBelow(process.cwd(), ".."), undefined);
 * ```
 */
export function pathBelow(
  directory: string,
  place: string,
): string | undefined {
  // The directory can come from a snapshot of another operating system. The
  // path `C:\x`, for example, is not absolute on Linux.
  if (!nodePath.isAbsolute(directory)) return undefined;
  const way = nodePath.relative(truePlace(directory), truePlace(place));
  const path = way.split(nodePath.sep).join("/");
  const isElsewhere = path === ".." || path.startsWith("../") ||
    nodePath.isAbsolute(way);
  return isElsewhere ? undefined : path;
}

/**
 * The values that identify a file system, even after its disk has been
 * unplugged and plugged in again.
 */
export interface FileSystemId {
  /** The path of the mount point, such as `C:\` on Windows. */
  mount: string;
  /**
   * A text that distinguishes the file systems that are mounted at this mount
   * point at different times.
   */
  fingerprint: string;
}

/**
 * Identifies the file system that contains a path, or that would contain the
 * path if it were created.
 *
 * The mount point is the highest folder that contains the path and is on the
 * same device. `fingerprint` is the kind of the file system and the creation
 * time of the mount point's folder, which is usually also the creation time of
 * the file system. Unlike the device number, this time does not change when the
 * disk is plugged in again. If the file system does not record creation times,
 * `fingerprint` is its kind and size. On Windows, `fingerprint` is the serial
 * number that Windows gives the file system.
 *
 * @param path The path, in the syntax of the operating system.
 * @throws {Error} The system's error, if the file system cannot be identified.
 *
 * @example
 * ```ts
 * import { fileSystemOf } from "@deltar/deltar/tree";
 * import assert from "node:assert/strict";
 *
 * assert.deepEqual(fileSystemOf("absent"), fileSystemOf("."));
 * ```
 */
export function fileSystemOf(path: string): FileSystemId {
  let at = truePlace(path);
  while (!fs.existsSync(at)) at = nodePath.dirname(at);
  const { dev } = fs.statSync(at, { bigint: true });
  for (;;) {
    const above = nodePath.dirname(at);
    if (above === at || fs.statSync(above, { bigint: true }).dev !== dev) break;
    at = above;
  }
  const { birthtimeMs } = fs.statSync(at, { bigint: true });
  if (nodePath.sep === "\\") return { mount: at, fingerprint: `volume ${dev}` };
  const { type, blocks, bsize } = fs.statfsSync(at);
  const fingerprint = birthtimeMs > 0n
    ? `${type} made ${birthtimeMs}`
    : `${type} of ${blocks * bsize}`;
  return { mount: at, fingerprint };
}
