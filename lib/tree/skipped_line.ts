import { DeltarError } from "../bytes/errors.ts";
import type { Skipped, SkipReason } from "./entry.ts";
import type { Line } from "../bytes/listing.ts";
import { skippedPath } from "./path.ts";

/** All reasons: the compiler asks for one that is missing. */
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

/** Returns a path that was left out as a line of JSON. */
export function encodeSkipped({ path, reason, detail }: Skipped): Line {
  return { skipped: reason, path, detail };
}

/**
 * Reads what `encodeSkipped` wrote. The path may be any text that is not longer
 * than paths are: nothing is ever written to it.
 *
 * @throws {DeltarError} `corrupt`, with the place of the line.
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
    throw new DeltarError("corrupt", "no valid word of what was left out", {
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
