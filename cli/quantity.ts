import { InvalidArgumentError } from "commander";

const HOUR = 3_600_000;
const UNITS: Readonly<Record<string, number>> = {
  s: 1000,
  min: 60_000,
  h: HOUR,
  d: 24 * HOUR,
  w: 7 * 24 * HOUR,
  m: 30 * 24 * HOUR,
  y: 365 * 24 * HOUR,
};
const PREFIXES = ["", "k", "m", "g", "t", "p"];

/**
 * A duration as `12h`, `30d`, `2w`, `6m` or `1y6m`, in milliseconds: a month
 * has 30 days and a year 365. `0` is none.
 */
export function parseDuration(text: string): number {
  if (text === "0") return 0;
  const parts = [...text.matchAll(/(\d{1,9})(min|[shdwmy])/g)];
  if (text !== parts.map(([part]) => part).join("") || text === "") {
    throw new InvalidArgumentError("Write 12h, 30d, 2w, 6m or 1y6m.");
  }
  return parts.reduce(
    (sum, [, count, unit]) => sum + Number(count) * UNITS[unit],
    0,
  );
}

/**
 * A number of bytes as `500M`, `2.5GB` or `10GiB`: in powers of 1,000, with
 * `i` of 1,024. A number alone is refused: a user who writes 20 does not mean 20 bytes, and
 * snapshots would go for it.
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
    throw new InvalidArgumentError("Write 500M, 2.5GB or 10GiB.");
  }
  return bytes;
}

/** A number of things. */
export function parseCount(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("Write a whole number.");
}

/** A number of things, of which none would be nothing to do. */
export function parseSome(text: string): number {
  const count = parseCount(text);
  if (count > 0) return count;
  throw new InvalidArgumentError("Write a whole number from 1 on.");
}
