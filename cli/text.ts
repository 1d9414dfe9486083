import { eastAsianWidth } from "get-east-asian-width";

/** A duration in milliseconds as people read it. */
export function formatDuration(milliseconds: number): string {
  if (milliseconds < 999.5) return `${Math.round(milliseconds)} ms`;
  if (milliseconds < 59_950) return `${(milliseconds / 1000).toFixed(1)} s`;
  const seconds = Math.round(milliseconds / 1000);
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/**
 * A time as the local clock shows it, to the second; one that no calendar of
 * four digits has as `@` and the seconds since 1970, which `touch -d` takes.
 *
 * @param time Milliseconds since 1970.
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

/** The same of a file's time, in nanoseconds since 1970. */
export function formatFileTime(time: bigint): string {
  const part = time % 1_000_000_000n;
  const seconds = (time - part) / 1_000_000_000n - (part < 0n ? 1n : 0n);
  const isDate = seconds >= -MOST_SECONDS && seconds <= MOST_SECONDS;
  return isDate ? formatDate(Number(seconds) * 1000) : `@${seconds}`;
}

/** The range of a `Date` on either side of 1970, in seconds. */
const MOST_SECONDS = 8_640_000_000_000n;

/**
 * Shows a path: one with characters that a terminal obeys or does not show is
 * given as a JSON string.
 */
export function showPath(path: string): string {
  const shown = showText(path);
  return shown === path ? path : showText(JSON.stringify(path));
}

/** All that may be in a text that needs no closer look. */
const PLAIN = /^[\x20-\x7e]*$/;

/**
 * Characters that a terminal obeys, does not show, or shows elsewhere: controls,
 * directions of writing, joiners and fillers without width, half surrogates.
 * A joiner between two emoji and a selector behind one make one emoji.
 */
const UNSHOWN =
  /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu;
const IN_EMOJI =
  /(?<=[\p{Extended_Pictographic}\p{Emoji_Modifier}]\ufe0f?)(?:\u200d(?=\p{Extended_Pictographic})|\ufe0f)|(?<=[0-9#*])\ufe0f(?=\u20e3)/gu;

/**
 * Shows a text: characters that a terminal obeys or does not show are given as
 * JSON escapes them.
 */
export function showText(text: string): string {
  return PLAIN.test(text) ? text : escapeUnshown(text);
}

function escapeUnshown(text: string): string {
  const kept = new Set([...text.matchAll(IN_EMOJI)].map(({ index }) => index));
  return text.replaceAll(
    UNSHOWN,
    (char, at) => kept.has(at) ? char : escaped(char),
  );
}

/** A character as JSON escapes it. */
function escaped(char: string): string {
  return Array.from(
    { length: char.length },
    (_, at) => `\\u${char.charCodeAt(at).toString(16).padStart(4, "0")}`,
  ).join("");
}

/** The codes that color a text. */
// deno-lint-ignore no-control-regex
const COLORS = /(\x1b\[\d{1,2}m|\n)/;

/**
 * Shows lines that are put together already: their ends stay, all else is as
 * `showText` shows it, and secrets are left out.
 *
 * @param isPainted Whether colors stay, too: those that are not ours are then
 * escaped already.
 */
export function showLines(text: string, isPainted = false): string {
  const told = redact(text);
  if (PLAIN.test(told)) return told;
  return told.split(isPainted ? COLORS : /(\n)/)
    .map((part, at) => at % 2 === 0 ? showText(part) : part).join("");
}

/**
 * A user and a password, or a token, in an address. A password in which a
 * slash was not escaped is one as well; digits before a slash are a port.
 */
const SECRET =
  /([a-z][a-z0-9+.-]*:\/\/)(?:[^\s/?#"'<>\\]+|[^\s/:@"']*:(?!\d+\/)[^\s"'<>]+)@/gi;

/** A text with the users and passwords in its addresses left out. */
export function redact(text: string): string {
  return text.includes("://") ? text.replaceAll(SECRET, "$1***@") : text;
}

/** The fields of JSON that are the user's own words, and told as they are. */
const OWN = new Set(["path", "target", "from", "label"]);

/**
 * A value as JSON that a terminal shows and does not obey: of characters beyond
 * ASCII those are escaped that `showText` escapes. Secrets are left out.
 */
export function toJson(value: unknown): string {
  let json = JSON.stringify(value);
  if (redact(json) !== json) {
    json = JSON.stringify(
      value,
      (key, one) =>
        typeof one === "string" && !OWN.has(key) ? redact(one) : one,
    );
  }
  return json.replaceAll(
    /[^\x20-\x7e]+/g,
    (text) => text.replaceAll(UNSHOWN, escaped),
  );
}

/** The characters that a terminal shows over the one before. */
const NARROW = /^[\p{Mn}\p{Me}\p{Cf}]$/u;

/**
 * Returns the part of a text that fits into a number of columns of a terminal.
 */
export function fitColumns(text: string, columns: number): string {
  let left = columns;
  let length = 0;
  for (const char of text) {
    left -= widthOf(char);
    if (left < 0) break;
    length += char.length;
  }
  return text.slice(0, length);
}

/** Returns an upper bound of the columns that a text takes in a terminal. */
export function columnsOf(text: string): number {
  let columns = 0;
  for (const char of text) columns += widthOf(char);
  return columns;
}

function widthOf(char: string): number {
  if (NARROW.test(char)) return 0;
  return eastAsianWidth(char.codePointAt(0) ?? 0, { ambiguousAsWide: false });
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
