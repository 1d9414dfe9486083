import { formatBytes } from "../../../../shared/text.ts";

/** Returns a difference of two sizes in words, with its sign. */
export function formatDifference(bytes: number): string {
  return bytes < 0
    ? `\u2212${formatBytes(-bytes)}`
    : bytes > 0
    ? `+${formatBytes(bytes)}`
    : "\u00b10 B";
}

/**
 * Returns the time of day, to the second. All times in this file are in
 * milliseconds since 1970.
 */
export function formatTime(time: number): string {
  return new Date(time).toLocaleTimeString(undefined, {
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    hour12: false,
  });
}

/** Returns the day of a time in words: today, yesterday, or the date. */
export function formatDay(time: number, now: number): string {
  const day = (of: number) => new Date(of).setHours(0, 0, 0, 0);
  const ago = Math.round((day(now) - day(time)) / 86_400_000);
  if (ago === 0) return "Today";
  if (ago === 1) return "Yesterday";
  return new Date(time).toLocaleDateString("en", {
    weekday: "long",
    day: "numeric",
    month: "long",
    ...(ago > 300 && { year: "numeric" }),
  });
}

/**
 * Returns a time in words: the time of day and, if it is not today, the day.
 */
export function formatMoment(time: number, now: number): string {
  const day = formatDay(time, now);
  return day === "Today" ? formatTime(time) : `${day}, ${formatTime(time)}`;
}

/**
 * Returns the earlier time `since` in words: the time of day if it is on the
 * day of `time`, and otherwise the day.
 */
export function formatSince(since: number, time: number, now: number): string {
  const day = formatDay(since, now);
  return day === formatDay(time, now) ? formatTime(since) : day;
}

/**
 * Returns the minutes or hours that have passed since a time, in words. After
 * 24 hours, returns the day of that time.
 */
export function formatAgo(time: number, now: number): string {
  const minutes = Math.floor((now - time) / 60_000);
  if (minutes < 1) return "just now";
  if (minutes < 60) return `${minutes} min ago`;
  const hours = Math.floor(minutes / 60);
  return hours < 24 ? `${hours} h ago` : formatDay(time, now);
}
