import { eastAsianWidth } from "get-east-asian-width";
import process from "node:process";
import {
  type Entry,
  formatTime,
  parsePath,
  spellPath,
} from "../lib/tree/mod.ts";
import { formatDate } from "../shared/text.ts";

export { formatDate };

/** Formats a number of milliseconds, such as `3.4 s` or `2 min 5 s`. */
export function formatDuration(milliseconds: number): string {
  if (milliseconds < 999.5) return `${Math.round(milliseconds)} ms`;
  if (milliseconds < 59_950) return `${(milliseconds / 1000).toFixed(1)} s`;
  const seconds = Math.round(milliseconds / 1000);
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/**
 * Formats a file's time, given in nanoseconds since 1970, as `formatDate` does.
 * A time that is too early or too late for a `Date` becomes `@` and the seconds
 * since 1970.
 */
export function formatFileTime(time: bigint): string {
  const part = time % 1_000_000_000n;
  const seconds = (time - part) / 1_000_000_000n - (part < 0n ? 1n : 0n);
  const isDate = seconds >= -MAX_SECONDS && seconds <= MAX_SECONDS;
  return isDate ? formatDate(Number(seconds) * 1000) : `@${seconds}`;
}

/**
 * Formats a time, given in nanoseconds since 1970, as seconds with nine
 * decimals, even if all decimals are zero.
 */
export function withNanoseconds(time: bigint): string {
  const text = formatTime(time);
  return text.includes(".") ? text : `${text}.000000000`;
}

/**
 * Formats the major and minor number of a device, such as `8, 1`. Returns `""`
 * for an entry that is not a device.
 */
export function deviceText(entry: Entry): string {
  if (entry.kind !== "block" && entry.kind !== "character") return "";
  return `${entry.device.major}, ${entry.device.minor}`;
}

/** The maximum number of seconds between 1970 and the time of a `Date`. */
const MAX_SECONDS = 8_640_000_000_000n;

/**
 * Formats a path for a terminal. Bytes that are not valid UTF-8 are shown in
 * hexadecimal, such as `\xff`; see `spellPath`. A path with control characters
 * or invisible characters becomes a JSON string.
 */
export function showPath(path: string): string {
  const spelled = spellPath(path);
  const shown = showText(spelled);
  return shown === spelled ? spelled : showText(JSON.stringify(spelled));
}

/** The pattern of printable ASCII, which needs no escapes. */
const PLAIN = /^[\x20-\x7e]*$/;

/**
 * Matches characters that a terminal executes, hides or moves: controls, format
 * characters such as directional marks and joiners, separators of lines and
 * paragraphs, fillers, and lone surrogates.
 */
const UNSHOWN =
  /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu;
/**
 * A pattern for the invisible characters that are not escaped, because emoji
 * need them: joiners between two emoji, and variation selectors after an emoji or in a
 * keycap such as `1`, U+FE0F, U+20E3.
 */
const IN_EMOJI =
  /(?<=[\p{Extended_Pictographic}\p{Emoji_Modifier}]\ufe0f?)(?:\u200d(?=\p{Extended_Pictographic})|\ufe0f)|(?<=[0-9#*])\ufe0f(?=\u20e3)/gu;

/**
 * Formats a text for a terminal. Escapes the characters that `UNSHOWN` matches,
 * except those that emoji need.
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

/**
 * Returns the JSON escape of a character. If the character stands for a byte
 * that is not valid UTF-8, returns the byte as `spellPath` spells it.
 */
function escaped(char: string): string {
  const byte = spellPath(char);
  return byte !== char ? byte : Array.from(
    { length: char.length },
    (_, at) => `\\u${char.charCodeAt(at).toString(16).padStart(4, "0")}`,
  ).join("");
}

/** The pattern of a control code for a color or style, or of a line feed. */
// deno-lint-ignore no-control-regex
const COLORS = /(\x1b\[\d{1,2}m|\n)/;

/**
 * Formats several lines for a terminal like `showText`, but keeps line feeds,
 * and replaces secrets as `redact` does.
 *
 * @param isPainted Whether to keep the control codes of colors. The caller must
 * have escaped those in paths and other input.
 */
export function showLines(text: string, isPainted = false): string {
  const told = redact(text);
  if (PLAIN.test(told)) return told;
  return told.split(isPainted ? COLORS : /(\n)/)
    .map((part, at) => at % 2 === 0 ? showText(part) : part).join("");
}

/**
 * Matches the beginning of a URL with a user, a user and password, or a token,
 * up to the `@`. A password can contain an unescaped slash. Digits between a
 * colon and a slash are a port, so `http://host:8080/a@b` is not matched.
 */
const SECRET =
  /([a-z][a-z0-9+.-]*:\/\/)(?:[^\s/?#"'<>\\]+|[^\s/:@"']*:(?!\d+\/)[^\s"'<>]+)@/gi;

/**
 * Replaces the user, the user and password, or the token before the `@` of
 * each URL in a text with `***`.
 */
export function redact(text: string): string {
  return text.includes("://") ? text.replaceAll(SECRET, "$1***@") : text;
}

/** The fields of JSON that hold paths. */
const PATHS = new Set(["path", "target", "from", "renamedTo"]);
/** The fields of JSON that hold the user's own text and are not redacted. */
const OWN = new Set([...PATHS, "label"]);

/** Matches text in JSON that `spellPath` would change. */
const SPELLED = /\\udc[89a-f][0-9a-f]|\\\\x(?:5c|[89a-f][0-9a-f])/;

/**
 * Formats a value as JSON that is safe to print on a terminal. Escapes the
 * characters that `UNSHOWN` matches, even in emoji. Replaces secrets, as
 * `redact` does, in the texts of all fields that are not in `OWN`. Paths, and
 * texts that are not valid Unicode, are spelled by `spellPath`.
 */
export function toJson(value: unknown): string {
  let json = JSON.stringify(value);
  if (redact(json) !== json || SPELLED.test(json)) {
    json = JSON.stringify(value, (key, one) => {
      if (typeof one !== "string") return one;
      const text = OWN.has(key) ? one : redact(one);
      return PATHS.has(key) || !text.isWellFormed() ? spellPath(text) : text;
    });
  }
  return json.replaceAll(
    /[^\x20-\x7e]+/g,
    (text) => text.replaceAll(UNSHOWN, escaped),
  );
}

/**
 * Matches a character that takes no column of a terminal: a combining mark or a
 * format character.
 */
const NARROW = /^[\p{Mn}\p{Me}\p{Cf}]$/u;

/**
 * Returns the longest beginning of a text that fits into a number of columns of
 * a terminal.
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

/**
 * Returns the number of columns that a text takes in a terminal. Characters of
 * ambiguous width count as one column. For emoji that consist of several
 * characters, the number can be wrong, because the width of such emoji depends
 * on the terminal.
 */
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
 * Returns the path in a snapshot for a path that the user typed: without `./`
 * at the beginning and `/` at the end, and `""` for `.`. Except on Windows, the
 * escapes of `showPath`, such as `\xff`, become the bytes that they stand for.
 */
export function treePath(word: string): string {
  // On Windows, names are always Unicode, so they need no escapes, and a
  // backslash separates folders.
  const path = process.platform === "win32" ? word : parsePath(word);
  return trimPath(path);
}

/**
 * Returns a path without `./` at the beginning and `/` at the end, and `""` for
 * `.`.
 */
export function trimPath(path: string): string {
  return path.replace(/^(?:\.\/+)+/, "").replace(/\/+$/, "").replace(
    /^\.$/,
    "",
  );
}

/** Quotes a word for a POSIX shell if necessary. */
export function shellWord(word: string): string {
  if (/^[\w@%+=:,./~-]+$/.test(word)) return word;
  return `'${word.replaceAll("'", `'\\''`)}'`;
}
