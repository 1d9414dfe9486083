import { InvalidArgumentError } from "commander";

/**
 * Matches a date, with or without a time and a time zone: `2024-01-31`,
 * `2024-01-31-120000`, `2024-01-31 12:00`, `20240131T120000Z`,
 * `2024-01-31T12:00:00.123+01:00`, `2024/01/31`. Does not match if there is a
 * digit directly before the date, or if a digit follows the match directly or
 * after one of `-`, `_`, `.` and `:`.
 */
const TIMESTAMP =
  /(?<!\d)(\d{4})([-_./\\]?)(\d\d)\2(\d\d)(?:[-_. T@/\\]?(\d\d)([-_.:]?)(\d\d)(?:\6(\d\d)(?:[.,](\d{1,9}))?)?)?( ?(?:Z|UTC)|[+-]\d\d:?\d\d)?(?![-_.:]?\d)/g;

/**
 * Returns the time that a name contains, in milliseconds since 1970. The time
 * is local, unless it is followed by `Z`, `UTC` or an offset such as `+01:00`,
 * or is preceded by `GMT-` or `GMT_`. A date without a time stands for the
 * beginning of the day.
 *
 * @returns The time, or `undefined` if the name contains no valid time, or more
 * than one.
 */
export function timestampIn(name: string): number | undefined {
  const [found, ...others] = name.matchAll(TIMESTAMP);
  if (found === undefined || others.length > 0) return undefined;
  const isUtc = /GMT[-_]$/.test(name.slice(0, found.index));
  return timeOf(found, isUtc);
}

/**
 * Parses the time of a snapshot: a date, with or without a time, in a form that
 * `TIMESTAMP` matches, or `@` and a number of seconds since 1970. A date that
 * has no time stands for the beginning of the day.
 *
 * @returns The time in milliseconds since 1970.
 * @throws {InvalidArgumentError} If the text is not a valid time, or is a time
 * in the future.
 */
export function parseTimestamp(text: string): number {
  const [, seconds] = /^@(\d{1,12}(?:\.\d{1,9})?)$/.exec(text) ?? [];
  const [found] = text.matchAll(TIMESTAMP);
  const time = seconds !== undefined
    ? Math.floor(Number(seconds) * 1000)
    : found?.[0] === text
    ? timeOf(found, false)
    : undefined;
  if (time === undefined) {
    throw new InvalidArgumentError(
      "Use a time such as 2024-01-31T12:00:00, 2024-01-31T12:00:00Z or " +
        "@1706702400.",
    );
  }
  if (time <= Date.now()) return time;
  throw new InvalidArgumentError("The time is in the future.");
}

function timeOf(found: RegExpMatchArray, isUtc: boolean): number | undefined {
  const [year, month, day, hour, minute, second] = [1, 3, 4, 5, 7, 8]
    .map((part) => Number(found[part] ?? 0));
  const milliseconds = Number((found[9] ?? "").padEnd(3, "0").slice(0, 3));
  const daysOfMonth = new Date(Date.UTC(year, month, 0)).getUTCDate();
  if (year < 1970 || month < 1 || month > 12 || day < 1 || day > daysOfMonth) {
    return undefined;
  }
  if (hour > 23 || minute > 59 || second > 59) return undefined;
  const parts = [
    year,
    month - 1,
    day,
    hour,
    minute,
    second,
    milliseconds,
  ] as const;
  const zone = found[10]?.trim() ?? (isUtc ? "Z" : "");
  if (zone === "") return new Date(...parts).getTime();
  const [, sign = "+", hours = 0, minutes = 0] =
    /^([+-])(\d\d):?(\d\d)$/.exec(zone) ?? [];
  const offset = 60_000 * (60 * Number(hours) + Number(minutes));
  return Date.UTC(...parts) - (sign === "-" ? -offset : offset);
}
