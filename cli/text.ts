const UNITS = ["B", "KB", "MB", "GB", "TB", "PB"];

/** A number of bytes as people read it, in powers of 1,000. */
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

/** A number with its thousands apart. */
export function formatCount(count: number): string {
  return count.toLocaleString("en-US");
}

/** "1 file", "2 files". */
export function plural(count: number, one: string, many = `${one}s`): string {
  return `${formatCount(count)} ${count === 1 ? one : many}`;
}

/** A duration in milliseconds as people read it. */
export function formatDuration(milliseconds: number): string {
  if (milliseconds < 999.5) return `${Math.round(milliseconds)} ms`;
  if (milliseconds < 59_950) return `${(milliseconds / 1000).toFixed(1)} s`;
  const seconds = Math.round(milliseconds / 1000);
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** A time as the local clock shows it, to the second. */
export function formatDate(time: number): string {
  const date = new Date(time);
  const two = (value: number) => String(value).padStart(2, "0");
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-` +
    `${two(date.getDate())} ${two(date.getHours())}:` +
    `${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/**
 * A path for the eye: one with control characters, which could move a
 * terminal's cursor, is shown as a JSON string.
 */
export function showPath(path: string): string {
  return /\p{Cc}/u.test(path) ? showText(JSON.stringify(path)) : path;
}

/** A text for the eye, its control characters as JSON escapes them. */
export function showText(text: string): string {
  return text.replaceAll(
    /\p{Cc}/gu,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** What a terminal shows over the character before it. */
const NARROW = /^[\p{Mn}\p{Me}\u200b-\u200f]$/u;
/** What a terminal gives two columns to. */
const WIDE =
  /^[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}\p{Emoji_Presentation}]$/u;

/** As much of a text as fits in so many columns of a terminal. */
export function fitColumns(text: string, columns: number): string {
  let left = columns;
  let length = 0;
  for (const char of text) {
    left -= NARROW.test(char) ? 0 : WIDE.test(char) ? 2 : 1;
    if (left < 0) break;
    length += char.length;
  }
  return text.slice(0, length);
}

/**
 * A path in a snapshot as the user may type it: `./` before it and `/` after
 * it are no part of it; `.` is the root, `""`.
 */
export function treePath(word: string): string {
  return word.replace(/^(?:\.\/+)+/, "").replace(/\/+$/, "").replace(
    /^\.$/,
    "",
  );
}

/** A word as a POSIX shell takes it. */
export function shellWord(word: string): string {
  if (/^[\w@%+=:,./~-]+$/.test(word)) return word;
  return `'${word.replaceAll("'", `'\\''`)}'`;
}
