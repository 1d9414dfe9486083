import { formatBytes, plural } from "../../../../shared/text.ts";
import type { EntryDetails, EntryField } from "../../shared/protocol.ts";

/** The maximum number of extended attributes that a tooltip names. */
const MAX_NAMED = 8;

/** Returns the size of a file, or the kind of a named pipe or a device. */
export function formatSize(
  { size, special, sparse }: EntryDetails & { size: number },
): string {
  if (special !== undefined) return special;
  return formatBytes(size) + (sparse === undefined ? "" : ", sparse");
}

/**
 * Returns the lines of a tooltip that show the size of a sparse file without
 * its holes, and the names of extended attributes and ACLs.
 */
export function detailLines({ sparse, xattrs = [] }: EntryDetails): string[] {
  const lines: string[] = [];
  if (sparse !== undefined) {
    lines.push(`${formatBytes(sparse)} without holes`);
  }
  if (xattrs.length > 0) {
    const more = xattrs.length - MAX_NAMED;
    const rest = more > 0 ? ` and ${plural(more, "other")}` : "";
    lines.push(`Attributes: ${xattrs.slice(0, MAX_NAMED).join(", ")}${rest}`);
  }
  return lines;
}

/** The words for the fields of an entry. */
const FIELDS: Readonly<Record<EntryField, string>> = {
  kind: "kind",
  content: "content",
  target: "target",
  device: "device",
  mode: "mode",
  uid: "owner",
  gid: "group",
  xattrs: "attributes",
  mtime: "time",
};

/**
 * Returns a list with one line that names the changed fields, such as "Changed:
 * mode, time". The list is empty if nothing is known to have changed.
 */
export function fieldLines(fields: readonly EntryField[] = []): string[] {
  return fields.length === 0
    ? []
    : [`Changed: ${fields.map((field) => FIELDS[field]).join(", ")}`];
}

/**
 * Returns the difference between two sizes as text: the difference with its
 * sign, such as `+1.20 KB`, or `same size`.
 *
 * @param bytes The new size minus the old size, in bytes.
 */
export function formatDifference(bytes: number): string {
  return bytes < 0
    ? `\u2212${formatBytes(-bytes)}`
    : bytes > 0
    ? `+${formatBytes(bytes)}`
    : "same size";
}

/**
 * Returns the local time of day, to the second. All times in this file are in
 * milliseconds since 1970.
 */
export function formatTime(time: number): string {
  return new Date(time).toTimeString().slice(0, "00:00:00".length);
}

/**
 * The formatters for days: the first without the year, the second with the
 * year. Each formatter is made when it is first needed, and is then reused,
 * because making a formatter takes longer than using it.
 */
const dayFormats: Intl.DateTimeFormat[] = [];

function dayFormat(hasYear: boolean): Intl.DateTimeFormat {
  return dayFormats[Number(hasYear)] ??= new Intl.DateTimeFormat("en", {
    weekday: "long",
    day: "numeric",
    month: "long",
    ...(hasYear && { year: "numeric" }),
  });
}

/**
 * Returns the day of a time in words: `Today`, `Yesterday`, or the date. A date
 * more than 300 days ago has the year.
 */
export function formatDay(time: number, now: number): string {
  const day = (of: number) => new Date(of).setHours(0, 0, 0, 0);
  const ago = Math.round((day(now) - day(time)) / 86_400_000);
  if (ago === 0) return "Today";
  if (ago === 1) return "Yesterday";
  return dayFormat(ago > 300).format(time);
}

/**
 * Returns a time in words: the time of day and, if the time is not today, the
 * day.
 */
export function formatMoment(time: number, now: number): string {
  const day = formatDay(time, now);
  return day === "Today" ? formatTime(time) : `${day}, ${formatTime(time)}`;
}

/**
 * Returns a time in words, for a tooltip: the day with its year, and the time
 * of day.
 */
export function formatDate(time: number): string {
  return `${dayFormat(true).format(time)}, ${formatTime(time)}`;
}

/**
 * Returns a time as part of a sentence or a title, in which `yesterday` is not
 * capitalized.
 */
export function formatMomentInText(time: number, now: number): string {
  return formatMoment(time, now).replace("Yesterday", "yesterday");
}

/**
 * Returns the time `since`, which is before `time`, as text: only the time of
 * day if both are on the same day, and otherwise the day. All times are in
 * milliseconds since 1970.
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
  if (hours < 24) return `${hours} h ago`;
  // The text is part of a sentence, so `Yesterday` is not capitalized. Names of
  // days and months always are.
  return formatDay(time, now).replace("Yesterday", "yesterday");
}
