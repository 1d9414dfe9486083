import { DeltarError } from "../bytes/errors.ts";
import { nodePath } from "../bytes/node.ts";
import { comparePaths, isWithin } from "./path.ts";
import { truePlace } from "./place.ts";

/** Several directories, as paths below a folder that contains them. */
export interface DirectorySet {
  /** The absolute path of the deepest folder that contains all directories. */
  common: string;
  /**
   * The paths of the directories below `common`, in path order. A directory
   * inside another directory of the set is omitted. If only one directory
   * remains, its path is `""`.
   */
  paths: string[];
}

/**
 * Returns several directories as paths below the deepest folder that contains
 * all of them. Symlinks in the paths of the directories are resolved.
 *
 * @param directories The paths of the directories, in the syntax of the
 * operating system. There must be at least one.
 * @throws {DeltarError} `unsupported` if no folder contains all directories,
 * because they are on different Windows drives.
 */
export function directorySet(directories: readonly string[]): DirectorySet {
  const places = directories.map((directory) => truePlace(directory));
  let common = places[0];
  for (const place of places) {
    while (wayTo(common, place) === undefined) {
      const parent = nodePath.dirname(common);
      if (parent === common) {
        throw new DeltarError(
          "unsupported",
          "the directories are on different drives; take a separate snapshot " +
            "for each drive",
          { object: places.join(", ") },
        );
      }
      common = parent;
    }
  }
  const paths: string[] = [];
  const all = places.map((place) => wayTo(common, place) ?? "");
  for (const path of all.sort(comparePaths)) {
    if (!paths.some((above) => isWithin(path, above))) paths.push(path);
  }
  return { common, paths };
}

/**
 * Returns the path from a folder to a place in it, `/`-separated; `undefined`
 * if the place is not in the folder.
 */
function wayTo(folder: string, place: string): string | undefined {
  const way = nodePath.relative(folder, place);
  if (nodePath.isAbsolute(way) || /^\.\.(?:[\\/]|$)/.test(way)) {
    return undefined;
  }
  return way.split(nodePath.sep).join("/");
}

/**
 * Returns the name of several directories: the common folder, and the paths
 * below it in braces, such as `/home/me/{notes,work/src}`. In these paths, a
 * `\` is put before each `\`, `,`, `{` and `}`.
 */
export function nameOfSet({ common, paths }: DirectorySet): string {
  const separator = /^[a-z]:|^\\\\/i.test(common) ? "\\" : "/";
  const start = common.endsWith(separator) ? common : common + separator;
  const names = paths.map((path) => path.replace(/[\\,{}]/g, "\\$&"));
  return `${start}{${names.join(",")}}`;
}
