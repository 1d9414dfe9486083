import { DeltarError } from "../bytes/errors.ts";
import type { Skipped, SkipReason } from "./entry.ts";
import type { Line } from "../bytes/listing.ts";
import { skippedPath } from "./path.ts";

/** All reasons. The compiler reports a missing one. */
const ALL_REASONS: Record<SkipReason, true> = {
  excluded: true,
  special: true,
  unreadable: true,
  vanished: true,
  changed: true,
  name: true,
  absent: true,
  lost: true,
};
const REASONS: ReadonlySet<unknown> = new Set(Object.keys(ALL_REASONS));

/** Returns a skipped or excluded path as a line of JSON. */
export function encodeSkipped({ path, reason, detail }: Skipped): Line {
  return { skipped: reason, path, detail };
}

/**
 * Reads a line that `encodeSkipped` wrote. The path may be any text within the
 * maximum length of paths, since nothing is ever written to it.
 *
 * @throws {DeltarError} `corrupt`, with the offset of the line.
 */
export function decodeSkipped(
  line: Line,
  object: string,
  offset: number,
): Skipped {
  const { skipped, path, detail } = line;
  if (
    !REASONS.has(skipped) || typeof path !== "string" ||
    skippedPath(path) !== path
  ) {
    throw new DeltarError("corrupt", "invalid skipped path", {
      object,
      offset,
    });
  }
  return {
    path,
    reason: skipped as SkipReason,
    ...(typeof detail === "string" && { detail }),
  };
}
