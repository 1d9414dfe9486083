import { DeltarError } from "../bytes/errors.ts";
import type { Skipped, SkipReason } from "./entry.ts";
import type { Line } from "../bytes/listing.ts";
import { skippedPath } from "./path.ts";

/**
 * All reasons for skipping a path. The compiler reports a reason that is
 * missing here.
 */
const ALL_REASONS: Record<SkipReason, true> = {
  excluded: true,
  special: true,
  unreadable: true,
  placeholder: true,
  vanished: true,
  changed: true,
  name: true,
  absent: true,
  lost: true,
};
const REASONS: ReadonlySet<unknown> = new Set(Object.keys(ALL_REASONS));

/**
 * Returns a skipped or excluded path as a line of JSON. Earlier versions of
 * deltar reject unknown reasons, so a placeholder is written as an unreadable
 * path with a flag.
 */
export function encodeSkipped({ path, reason, detail }: Skipped): Line {
  return reason === "placeholder"
    ? { skipped: "unreadable", path, detail, placeholder: true }
    : { skipped: reason, path, detail };
}

/**
 * Returns the skipped path in a line that `encodeSkipped` made. The path can be
 * any text within the maximum length of paths, because nothing is ever written
 * to this path.
 *
 * @param line The line.
 * @param object The name of the file, for errors.
 * @param offset The offset of the line in the file, in bytes.
 * @throws {DeltarError} `corrupt`, with the offset of the line, if the path or
 * the reason is invalid.
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
    throw new DeltarError(
      "corrupt",
      "a skipped path or its reason is invalid",
      {
        object,
        offset,
      },
    );
  }
  return {
    path,
    reason: skipped === "unreadable" && line.placeholder === true
      ? "placeholder"
      : skipped as SkipReason,
    ...(typeof detail === "string" && { detail }),
  };
}
