import { InvalidArgumentError } from "commander";

const HOUR_MS = 3_600_000;
const UNITS: Readonly<Record<string, number>> = {
  s: 1000,
  min: 60_000,
  h: HOUR_MS,
  d: 24 * HOUR_MS,
  w: 7 * 24 * HOUR_MS,
  m: 30 * 24 * HOUR_MS,
  y: 365 * 24 * HOUR_MS,
};
const PREFIXES = ["", "k", "m", "g", "t", "p"];

/**
 * Parses a duration such as `90s`, `15min`, `12h`, `30d`, `2w`, `6m`, `1y6m` or
 * `0`. `m` is a month of 30 days, and a year has 365 days.
 *
 * @returns The duration in milliseconds.
 * @throws {InvalidArgumentError} If the text is not a duration.
 */
export function parseDuration(text: string): number {
  if (text === "0") return 0;
  const parts = [...text.matchAll(/(\d{1,9})(min|[shdwmy])/g)];
  if (text !== parts.map(([part]) => part).join("") || text === "") {
    throw new InvalidArgumentError("Use a duration such as 12h, 30d or 1y6m.");
  }
  return parts.reduce(
    (sum, [, count, unit]) => sum + Number(count) * UNITS[unit],
    0,
  );
}

/**
 * Parses a size such as `500M`, `2.5GB` or `10GiB`, in powers of 1,000, or of
 * 1,024 with an `i`. A number without a unit is refused. It is probably a
 * mistake, and a size limit that is too small would remove snapshots.
 *
 * @returns The size in bytes, at least 1.
 * @throws {InvalidArgumentError} If the text is not a size with a unit.
 */
export function parseBytes(text: string): number {
  const found = /^(\d{1,15}(?:\.\d{1,3})?) ?(?:([kmgtp])(i?)b?|b)$/i
    .exec(text);
  const [, count, prefix, binary] = found ?? [];
  const base = binary ? 1024 : 1000;
  const bytes = Math.round(
    Number(count) * base ** PREFIXES.indexOf((prefix ?? "").toLowerCase()),
  );
  if (!Number.isSafeInteger(bytes) || bytes === 0) {
    throw new InvalidArgumentError("Use a size such as 500M, 2.5GB or 10GiB.");
  }
  return bytes;
}

/** Parses a whole number of at least 0, with at most nine digits. */
export function parseCount(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("Use a whole number of at most nine digits.");
}

/** Parses a whole number of at least 1, with at most nine digits. */
export function parseSome(text: string): number {
  const count = parseCount(text);
  if (count > 0) return count;
  throw new InvalidArgumentError("Use a whole number of at least 1.");
}
