/**
 * Numbers and units, as the command and the extension show them.
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
  // `toLocaleString` would load the runtime's language data.
  return String(count).replace(/\B(?=(?:\d{3})+$)/g, ",");
}

/** Returns a number with its noun: "1 file", "2 files". */
export function plural(count: number, one: string, many = `${one}s`): string {
  return `${formatCount(count)} ${count === 1 ? one : many}`;
}
