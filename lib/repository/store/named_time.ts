const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

type Unit = "second" | "minute" | "hour" | "day" | "week" | "month" | "year";

const UNITS: ReadonlyMap<string, Unit> = new Map([
  ["second", "second"],
  ["minute", "minute"],
  ["min", "minute"],
  ["hour", "hour"],
  ["h", "hour"],
  ["day", "day"],
  ["d", "day"],
  ["week", "week"],
  ["w", "week"],
  ["month", "month"],
  ["year", "year"],
  ["y", "year"],
]);

/** A period of time. It includes its start, but not its end. */
export interface NamedTime {
  /** The start of the period, in milliseconds since 1970. */
  start: number;
  /** The end of the period, in milliseconds since 1970. */
  end: number;
}

/**
 * Returns the period that a text names, such as `today`, `yesterday`,
 * `3 days ago`, `2026-11`, `2026-11-20` or `2026-11-20 14:00`. Times are local,
 * unless the text ends in `Z`. A text such as `2 weeks ago`, in days, weeks,
 * months or years, names a whole day, so `1 day ago` is `yesterday`. A text
 * such as `2 hours ago`, in hours, minutes or seconds, names a single
 * millisecond.
 *
 * @param text The text, in English.
 * @param now The current time, in milliseconds since 1970.
 * @returns The period, or `undefined` if the text names no period.
 *
 * @example
 * ```ts
 * import { namedTime } from "@deltar/deltar/repository";
 * import assert from "node:assert/strict";
 *
 * const { start, end } = namedTime("2026-11-20 14:00Z", Date.now()) ?? {};
 * assert.equal(start, Date.UTC(2026, 10, 20, 14));
 * assert.equal(end, Date.UTC(2026, 10, 20, 14, 1));
 * ```
 */
export function namedTime(text: string, now: number): NamedTime | undefined {
  const time = timeOf(text, now);
  // A `Date` cannot represent a time before the year -271,821, and returns
  // `NaN`.
  return time !== undefined && Number.isFinite(time.start) ? time : undefined;
}

function timeOf(text: string, now: number): NamedTime | undefined {
  const words = text.trim().toLowerCase();
  const today = new Date(now);
  const [year, month, date] = [
    today.getFullYear(),
    today.getMonth(),
    today.getDate(),
  ];
  if (words === "today") return day(year, month, date);
  if (words === "yesterday") return day(year, month, date - 1);
  const ago = /^(\d{1,6}|an?) ?([a-z]+?)s? ago$/.exec(words);
  if (ago === null) return namedDate(words);
  const count = ago[1].startsWith("a") ? 1 : Number(ago[1]);
  switch (UNITS.get(ago[2])) {
    case "second":
      return moment(now - count * 1000, 1);
    case "minute":
      return moment(now - count * MINUTE_MS, 1);
    case "hour":
      return moment(now - count * HOUR_MS, 1);
    case "day":
      return day(year, month, date - count);
    case "week":
      return day(year, month, date - 7 * count);
    case "month":
      return day(year, month - count, ofMonth(year, month - count, date));
    case "year":
      return day(year - count, month, ofMonth(year - count, month, date));
    default:
      return undefined;
  }
}

/**
 * Returns the period that a date in digits names, with or without a time, such
 * as `2026-11-20` or `2026-11-20 14:00`.
 */
function namedDate(words: string): NamedTime | undefined {
  const found =
    /^(\d{4})-(\d\d)(?:-(\d\d)(?:[ t](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?(z)?)?)?$/
      .exec(words);
  if (found === null) return undefined;
  // Parts that the text does not have are 0.
  const [year, month, date, hour, minute, second] = found.slice(1, 7)
    .map((digits) => Number(digits ?? 0));
  if (month < 1 || month > 12) return undefined;
  if (found[3] === undefined) {
    return {
      start: startOfDay(year, month - 1, 1),
      end: startOfDay(year, month, 1),
    };
  }
  const daysOfMonth = ofMonth(year, month - 1, 31);
  if (date < 1 || date > daysOfMonth) return undefined;
  if (found[4] === undefined) return day(year, month - 1, date);
  if (hour > 23 || minute > 59 || second > 59) return undefined;
  const millisecond = Number((found[7] ?? "").padEnd(3, "0").slice(0, 3));
  const time = new Date(startOfDay(year, month - 1, date));
  if (found[8] === undefined) time.setHours(hour, minute, second, millisecond);
  else {
    time.setUTCFullYear(year, month - 1, date);
    time.setUTCHours(hour, minute, second, millisecond);
  }
  const length = found[6] === undefined
    ? MINUTE_MS
    : found[7] === undefined
    ? 1000
    : 1;
  return moment(time.getTime(), length);
}

/**
 * Returns the period that begins at `start`, in milliseconds since 1970, and
 * lasts `length` milliseconds.
 */
function moment(start: number, length: number): NamedTime {
  return { start, end: start + length };
}

/**
 * Returns the period of a day in local time. If `date` is less than 1 or
 * greater than the length of the month, the day is in an earlier or later
 * month.
 *
 * @param month The month, from 0.
 * @param date The day of the month, from 1.
 */
function day(year: number, month: number, date: number): NamedTime {
  return {
    start: startOfDay(year, month, date),
    end: startOfDay(year, month, date + 1),
  };
}

/**
 * Returns the start of a day in local time, in milliseconds since 1970. The
 * month is counted from 0, the date from 1.
 */
function startOfDay(year: number, month: number, date: number): number {
  // The constructor of `Date` adds 1900 to the years 0 to 99. `setFullYear`
  // does not.
  const time = new Date(2000, 0, 1);
  time.setFullYear(year, month, date);
  return time.getTime();
}

/**
 * Returns the given day of the month, or the last day of the month if the month
 * is shorter. The month is counted from 0.
 */
function ofMonth(year: number, month: number, date: number): number {
  const last = new Date(startOfDay(year, month + 1, 0));
  return Math.min(date, last.getDate());
}
