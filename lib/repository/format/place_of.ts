import { isWithin } from "../../tree/path.ts";
import { pathBelow } from "../../tree/place.ts";
import type { SnapshotRecord } from "./snapshot_record.ts";

/**
 * Returns the folder that the paths of a snapshot are relative to: the
 * snapshot's directory or, if the snapshot has several, the folder that
 * contains them.
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
 * Returns the path that a place on a machine has in a snapshot, or `undefined`
 * if the place is not in the directory or directories of the snapshot.
 *
 * @param record The snapshot.
 * @param place The path of the place on the machine that took the snapshot.
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
 * Returns the path in a snapshot for a path relative to a place, or `undefined`
 * if the path is not in the directory or directories of the snapshot. Symlinks
 * in `path` are not followed, because snapshots store them as symlinks.
 *
 * @param record The snapshot.
 * @param place The path of the place on the machine that took the snapshot.
 * @param path A `/`-separated path relative to the place.
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
 * Returns the path relative to a place for a path in a snapshot, or `undefined`
 * if the path is not in that place.
 *
 * @param record The snapshot.
 * @param place The path of the place on the machine that took the snapshot.
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

/** Returns the path if the snapshot can have it. */
function ifIn(
  { common, rules }: Pick<SnapshotRecord, "common" | "rules">,
  path: string,
): string | undefined {
  const isIn = common === undefined ||
    rules?.paths?.some((one) => isWithin(path, one));
  return isIn ? path : undefined;
}
