import { InvalidArgumentError } from "commander";
import { namedTime } from "../lib/repository/mod.ts";
import { parseBytes } from "./quantity.ts";

/** Returns whether a value is in a range. */
export type Range<Value> = (value: Value) => boolean;

/**
 * Parses a range of sizes: `+10M` for more than 10 MB, `-1k` for less than
 * 1 kB, or `5k` for exactly 5 kB.
 *
 * @returns The range, for sizes in bytes.
 * @throws {InvalidArgumentError} If the text is not a range of sizes.
 */
export function parseSizeRange(text: string): Range<number> {
  const sign = /^[+-]?/.exec(text)?.[0];
  const limit = parseBytes(text.slice(sign?.length));
  if (sign === "+") return (size) => size > limit;
  if (sign === "-") return (size) => size < limit;
  return (size) => size === limit;
}

/**
 * Parses a range of times: `A..B`, `A..`, `..B`, or a time alone, such as
 * `yesterday` or `2026-11`. The range begins with the start of the first time
 * and ends with the end of the last time. `A..` has no end, and `..B` has no
 * beginning.
 *
 * @returns The range, for times in nanoseconds since 1970.
 * @throws {InvalidArgumentError} If the text is not a range of times.
 */
export function parseTimeRange(text: string): Range<bigint> {
  const now = Date.now();
  const parts = text.split("..").map((word) => word.trim());
  const [first, last = first] = parts;
  const [from, to] = [first, last].map((word) =>
    word === "" ? undefined : namedTime(word, now)
  );
  const isWrong = parts.length > 2 || first + last === "" ||
    first !== "" && from === undefined || last !== "" && to === undefined;
  if (isWrong) {
    throw new InvalidArgumentError(
      "Use a time such as yesterday or 2026-11, or a range such as " +
        "2026-11-01.. or '3 days ago..yesterday'.",
    );
  }
  const start = from && nanoseconds(from.start);
  const end = to && nanoseconds(to.end);
  return (time) =>
    (start === undefined || time >= start) && (end === undefined || time < end);
}

function nanoseconds(milliseconds: number): bigint {
  return BigInt(milliseconds) * 1_000_000n;
}
