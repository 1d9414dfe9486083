/**
 * Numbers, units and times, as the command and the extension show them.
 *
 * @module
 */

const UNITS = ["B", "KB", "MB", "GB", "TB", "PB"];

/**
 * Returns a number of bytes with its unit, rounded to three significant digits:
 * "812 B", "1.50 MB". A KB has 1,000 bytes.
 */
export function formatBytes(bytes: number): string {
  let unit = 0;
  let value = bytes;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit++;
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return `${value.toFixed(digits)} ${UNITS[unit]}`;
}

/**
 * Returns a whole number with a comma before each group of three digits:
 * "12,345".
 */
export function formatCount(count: number): string {
  // `toLocaleString` is not used, because it would first load the runtime's
  // language data.
  return String(count).replace(/\B(?=(?:\d{3})+$)/g, ",");
}

/** Returns a number with its noun: "1 file", "2 files". */
export function plural(count: number, one: string, many = `${one}s`): string {
  return `${formatCount(count)} ${count === 1 ? one : many}`;
}

/**
 * Returns a number of named pipes and devices with its noun: "2 pipes and
 * devices".
 */
export function pipesAndDevices(count: number): string {
  return plural(count, "pipe or device", "pipes and devices");
}

/**
 * Formats a time in the local time zone, to the second. A time before the year
 * 0 or after the year 9999 is shown as `@` and the seconds since 1970, which
 * `touch -d` accepts.
 *
 * @param time The time in milliseconds since 1970.
 */
export function formatDate(time: number): string {
  const date = new Date(time);
  const year = date.getFullYear();
  if (!(year >= 0 && year <= 9999)) return `@${Math.floor(time / 1000)}`;
  const two = (value: number) => String(value).padStart(2, "0");
  return `${String(year).padStart(4, "0")}-${two(date.getMonth() + 1)}-` +
    `${two(date.getDate())} ${two(date.getHours())}:` +
    `${two(date.getMinutes())}:${two(date.getSeconds())}`;
}
