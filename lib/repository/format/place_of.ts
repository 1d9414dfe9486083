import { isWithin } from "../../tree/path.ts";
import { pathBelow } from "../../tree/place.ts";
import type { SnapshotRecord } from "./snapshot_record.ts";

/**
 * Returns the path of the folder that the paths of a snapshot are relative to:
 * the snapshot's directory or, if the snapshot has several directories, the
 * folder that contains them.
 *
 * @param record The snapshot.
 *
 * @example
 * ```ts
 * import { placeOf } from "@deltar/deltar/repository";
 * import assert from "node:assert/strict";
 *
 * assert.equal(placeOf({ directory: "/work" }), "/work");
 * const several = { directory: "/work/{a,b}", common: "/work" };
 * assert.equal(placeOf(several), "/work");
 * ```
 */
export function placeOf(
  { directory, common }: Pick<SnapshotRecord, "directory" | "common">,
): string {
  return common ?? directory;
}

/**
 * Converts a path on a machine into a path in a snapshot. Returns `undefined`
 * if the path is not in a directory of the snapshot.
 *
 * @param record The snapshot.
 * @param place The path on the machine that took the snapshot.
 *
 * @example
 * ```ts
 * import { belowOf } from "@deltar/deltar/repository";
 * import assert from "node:assert/strict";
 *
 * assert.equal(belowOf({ directory: "/work" }, "/work/a/b"), "a/b");
 * const several = {
 *   directory: "/work/{a,b}",
 *   common: "/work",
 *   rules: { paths: ["a", "b"] },
 * };
 * assert.equal(belowOf(several, "/work/a/b"), "a/b");
 * assert.equal(belowOf(several, "/work/c"), undefined);
 * ```
 */
export function belowOf(
  record: Pick<SnapshotRecord, "directory" | "common" | "rules">,
  place: string,
): string | undefined {
  const root = placeOf(record);
  const below = root === place ? "" : pathBelow(root, place);
  return below === undefined ? undefined : ifIn(record, below);
}

/**
 * Converts a path that is relative to a folder into a path in a snapshot.
 * Returns `undefined` if the path is not in a directory of the snapshot.
 * Symlinks in `path` are not followed, because snapshots store them as
 * symlinks.
 *
 * @param record The snapshot.
 * @param place The path of the folder on the machine that took the snapshot.
 * @param path A `/`-separated path, relative to the folder.
 */
export function pathFrom(
  record: Pick<SnapshotRecord, "directory" | "common" | "rules">,
  place: string,
  path: string,
): string | undefined {
  const root = placeOf(record);
  const below = root === place ? "" : pathBelow(root, place);
  if (below !== undefined) {
    return ifIn(record, below === "" ? path : `${below}/${path}`);
  }
  const way = pathBelow(place, root);
  if (way === undefined || !isWithin(path, way)) return undefined;
  return ifIn(record, path.slice(way.length + 1));
}

/**
 * Converts a path in a snapshot into a path that is relative to a folder.
 * Returns `undefined` if the path is not in that folder.
 *
 * @param record The snapshot.
 * @param place The path of the folder on the machine that took the snapshot.
 * @param path A path in the snapshot.
 */
export function pathTo(
  record: Pick<SnapshotRecord, "directory" | "common">,
  place: string,
  path: string,
): string | undefined {
  const root = placeOf(record);
  const below = root === place ? "" : pathBelow(root, place);
  if (below === "") return path;
  if (below !== undefined) {
    return path.startsWith(`${below}/`)
      ? path.slice(below.length + 1)
      : undefined;
  }
  const way = pathBelow(place, root);
  return way === undefined ? undefined : `${way}/${path}`;
}

/**
 * Returns the path if it is in a directory of the snapshot, otherwise
 * `undefined`.
 */
function ifIn(
  { common, rules }: Pick<SnapshotRecord, "common" | "rules">,
  path: string,
): string | undefined {
  const isIn = common === undefined ||
    rules?.paths?.some((one) => isWithin(path, one));
  return isIn ? path : undefined;
}
