import { DeltarError } from "./errors.ts";
import { toHex } from "./hex.ts";
import { createSha256, sha256 } from "./sha256.ts";
import { concat } from "./source.ts";

/** A line of JSON: an object. */
export type Line = Record<string, unknown>;

/** The largest size of a listing that is read as a whole, in bytes. */
export const MOST_LISTING: number = 2 ** 30;

const NEWLINE = 10;
const BRACKET = 0x5b;
const BRACE = 0x7b;
/** A first line of fewer bytes may hold anything. */
const LONG = 1 << 20;
/** The number of bytes in an object or array of a long line, about or more. */
const BYTES_EACH = 8;
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Writes lines of JSON as all of deltar's listings have them: first a line
 * with `format` and `version`, last a line with the SHA-256 of all bytes
 * before it, so that a cut or changed listing is told from a whole one.
 *
 * @param format The name of the format.
 * @param version The version of the format.
 * @param header What else the first line says.
 * @param lines The lines between.
 */
export function encodeLines(
  format: string,
  version: number,
  header: Line,
  lines: Iterable<Line>,
): Uint8Array {
  return concat([...linePieces(format, version, header, lines)]);
}

/** Yields the bytes of `encodeLines` in pieces of about 64 KiB. */
export function* linePieces(
  format: string,
  version: number,
  header: Line,
  lines: Iterable<Line>,
): Generator<Uint8Array> {
  const sum = createSha256();
  let text = openingLine(format, version, header);
  for (const line of lines) {
    text += JSON.stringify(line) + "\n";
    if (text.length <= 1 << 16) continue;
    const bytes = encoder.encode(text);
    sum.update(bytes);
    yield bytes;
    text = "";
  }
  const rest = encoder.encode(text);
  sum.update(rest);
  yield encoder.encode(text + closingLine(sum.digest()));
}

/** The first line of a listing. */
export function openingLine(
  format: string,
  version: number,
  header: Line,
): string {
  return JSON.stringify({ format, version, ...header }) + "\n";
}

/** The last line of a listing, of the SHA-256 of all bytes before it. */
export function closingLine(sum: Uint8Array): string {
  return `{"sha256":"${toHex(sum)}"}\n`;
}

/** The result of `decodeLines`. */
export interface Lines {
  /** The first line. */
  header: Line;
  /** The lines between, parsed as they are asked for, with their offsets. */
  lines: Generator<[line: Line, offset: number]>;
}

/**
 * Reads what `encodeLines` wrote.
 *
 * @param bytes The whole listing.
 * @param format The name of the format that is expected.
 * @param version The newest version that is known.
 * @param object The file's name, for errors.
 * @throws {DeltarError} `corrupt` or `truncated` if it is not what was
 * written; `unsupported` if its version is newer.
 */
export function decodeLines(
  bytes: Uint8Array,
  format: string,
  version: number,
  object: string,
): Lines {
  const end = bytes.indexOf(NEWLINE);
  if (end < 0) {
    throw new DeltarError("truncated", "it has not a single whole line", {
      object,
    });
  }
  if (end > LONG) checkDense(bytes.subarray(0, end), object);
  const header = parse(bytes, 0, end, object);
  checkOpening(header, format, version, object);
  const last = checkListing(bytes, object);
  return { header, lines: between(bytes, end + 1, last, object) };
}

/**
 * Refuses a long line that has many more objects and arrays than any of ours:
 * each takes many times the memory of its two brackets.
 */
function checkDense(line: Uint8Array, object: string): void {
  let left = line.length / BYTES_EACH;
  for (let at = 0; at < line.length; at++) {
    if (line[at] !== BRACKET && line[at] !== BRACE) continue;
    if (--left < 0) {
      throw new DeltarError("limit", "its first line has too many objects", {
        object,
        offset: at,
      });
    }
  }
}

/**
 * Refuses a listing, of whatever format, that is not as it was written.
 *
 * @returns Where its last line begins, which has the SHA-256.
 * @throws {DeltarError} `corrupt` or `truncated`.
 */
export function checkListing(bytes: Uint8Array, object: string): number {
  const last = bytes.lastIndexOf(NEWLINE, bytes.length - 2) + 1;
  const close = bytes.subarray(last);
  const expected = closingLine(sha256(bytes.subarray(0, last)));
  if (last <= 0 || bytes[bytes.length - 1] !== NEWLINE) {
    throw new DeltarError("truncated", "its last line is missing", {
      object,
      offset: bytes.length,
    });
  }
  if (toHex(close) !== toHex(encoder.encode(expected))) {
    throw new DeltarError(
      "corrupt",
      "its SHA-256 is not the one it ends with",
      {
        object,
        offset: last,
      },
    );
  }
  return last;
}

/**
 * Refuses a first line of another format, or of a newer version.
 *
 * @throws {DeltarError} `corrupt` or `unsupported`.
 */
export function checkOpening(
  header: Line,
  format: string,
  version: number,
  object: string,
): void {
  if (header.format !== format) {
    throw new DeltarError("corrupt", `this is not a ${format}`, { object });
  }
  if (!Number.isInteger(header.version) || Number(header.version) < 1) {
    throw new DeltarError("corrupt", `a ${format} without a valid version`, {
      object,
    });
  }
  if (Number(header.version) > version) {
    throw new DeltarError(
      "unsupported",
      `${format} of version ${header.version}, and this deltar reads up to ` +
        `${version}; use a newer one`,
      { object },
    );
  }
}

/**
 * The lines of a part of a listing, which may be any whole lines of it.
 *
 * @param bytes Whole lines.
 * @param object The object's name, for errors.
 * @throws {DeltarError} `corrupt` if they are no lines of JSON objects.
 */
export function splitLines(
  bytes: Uint8Array,
  object: string,
): Generator<[line: Line, offset: number]> {
  if (bytes[bytes.length - 1] !== NEWLINE) {
    throw new DeltarError("corrupt", "it does not end with a line", { object });
  }
  return between(bytes, 0, bytes.length, object);
}

function* between(
  bytes: Uint8Array,
  start: number,
  end: number,
  object: string,
): Generator<[Line, number]> {
  for (let at = start; at < end;) {
    const next = bytes.indexOf(NEWLINE, at);
    yield [parse(bytes, at, next, object), at];
    at = next + 1;
  }
}

function parse(
  bytes: Uint8Array,
  start: number,
  end: number,
  object: string,
): Line {
  try {
    const value = JSON.parse(decoder.decode(bytes.subarray(start, end)));
    if (typeof value === "object" && value !== null) return value;
  } catch {
    // Reported below like any other line that is no JSON object.
  }
  throw new DeltarError("corrupt", "this line is not a JSON object", {
    object,
    offset: start,
  });
}
