import { DeltarError } from "./errors.ts";
import { toHex } from "./hex.ts";
import { createSha256, sha256 } from "./sha256.ts";
import { concat } from "./source.ts";

/** A line of a listing: a JSON object. */
export type Line = Record<string, unknown>;

/** The maximum size of a listing that is read into memory, in bytes. */
export const MAX_LISTING_BYTES: number = 2 ** 30;

const NEWLINE = 10;
const BRACKET = 0x5b;
const BRACE = 0x7b;
/**
 * The length, in bytes, above which the number of JSON objects and arrays in a
 * first line is limited.
 */
const LONG_LINE_BYTES = 1 << 20;
/**
 * The minimum average number of bytes for each JSON object or array in a first
 * line that is longer than `LONG_LINE_BYTES`.
 */
const MIN_BYTES_PER_VALUE = 8;
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Encodes lines of JSON as a listing, the form of deltar's own text files. The
 * first line has the fields `format` and `version`. The last line has the
 * SHA-256 of all bytes before it, so a truncated or changed listing is
 * detected.
 *
 * @param format The name of the format.
 * @param version The version of the format.
 * @param header The other fields of the first line.
 * @param lines The lines between the first and the last.
 */
export function encodeLines(
  format: string,
  version: number,
  header: Line,
  lines: Iterable<Line>,
): Uint8Array {
  return concat([...linePieces(format, version, header, lines)]);
}

/**
 * Yields the bytes that `encodeLines` returns for the same arguments, in chunks
 * of at least 64 KiB, except for the last chunk.
 */
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

/**
 * Returns the first line of a listing, with its newline.
 *
 * @param format The name of the format.
 * @param version The version of the format.
 * @param header The other fields of the line.
 */
export function openingLine(
  format: string,
  version: number,
  header: Line,
): string {
  return JSON.stringify({ format, version, ...header }) + "\n";
}

/**
 * Returns the last line of a listing, with its newline.
 *
 * @param sum The SHA-256 of all bytes before the line.
 */
export function closingLine(sum: Uint8Array): string {
  return `{"sha256":"${toHex(sum)}"}\n`;
}

/** The result of `decodeLines`. */
export interface Lines {
  /** The first line of the listing. */
  header: Line;
  /**
   * The lines between the first and the last, with their offsets in bytes. Each
   * line is parsed when it is pulled. If it is not a JSON object, the generator
   * throws `corrupt`.
   */
  lines: Generator<[line: Line, offset: number]>;
}

/**
 * Decodes a listing that `encodeLines` encoded.
 *
 * @param bytes The whole listing.
 * @param format The name of the expected format.
 * @param version The newest known version.
 * @param object The name of the file, for errors.
 * @throws {DeltarError} `truncated` if the first or the last line is missing or
 *   incomplete; `corrupt` if the first line, the format, the version or the
 *   checksum is invalid; `unsupported` if the listing has a version newer than
 *   `version`; `limit` if the first line has too many JSON objects or arrays.
 */
export function decodeLines(
  bytes: Uint8Array,
  format: string,
  version: number,
  object: string,
): Lines {
  const end = bytes.indexOf(NEWLINE);
  if (end < 0) {
    throw new DeltarError("truncated", "the first line is incomplete", {
      object,
    });
  }
  if (end > LONG_LINE_BYTES) checkDense(bytes.subarray(0, end), object);
  const header = parse(bytes, 0, end, object);
  checkOpening(header, format, version, object);
  const last = checkListing(bytes, object);
  return { header, lines: between(bytes, end + 1, last, object) };
}

/**
 * Throws an error if a line has, on average, more than one opening bracket or
 * brace for each `MIN_BYTES_PER_VALUE` bytes. Once parsed, small objects take
 * many times the memory of their text.
 */
function checkDense(line: Uint8Array, object: string): void {
  let left = line.length / MIN_BYTES_PER_VALUE;
  for (let at = 0; at < line.length; at++) {
    if (line[at] !== BRACKET && line[at] !== BRACE) continue;
    if (--left < 0) {
      throw new DeltarError(
        "limit",
        `too many JSON objects or arrays in the first line: at most one for each ${MIN_BYTES_PER_VALUE} bytes`,
        {
          object,
          offset: at,
        },
      );
    }
  }
}

/**
 * Checks a listing of any format against the SHA-256 in its last line.
 *
 * @param bytes The whole listing.
 * @param object The name of the file, for errors.
 * @returns The offset, in bytes, of the last line, which contains the SHA-256.
 * @throws {DeltarError} `truncated` if the last line is missing or incomplete;
 *   `corrupt` if the last line does not have the SHA-256 of the lines before
 *   it.
 */
export function checkListing(bytes: Uint8Array, object: string): number {
  const last = bytes.lastIndexOf(NEWLINE, bytes.length - 2) + 1;
  const close = bytes.subarray(last);
  const expected = closingLine(sha256(bytes.subarray(0, last)));
  if (last <= 0 || bytes[bytes.length - 1] !== NEWLINE) {
    throw new DeltarError(
      "truncated",
      "the last line is missing or incomplete",
      {
        object,
        offset: bytes.length,
      },
    );
  }
  if (toHex(close) !== toHex(encoder.encode(expected))) {
    throw new DeltarError(
      "corrupt",
      "the last line does not have the SHA-256 of the lines before it",
      {
        object,
        offset: last,
      },
    );
  }
  return last;
}

/**
 * Checks the format and the version in the first line of a listing.
 *
 * @param header The first line.
 * @param format The name of the expected format.
 * @param version The newest known version.
 * @param object The name of the file, for errors.
 * @throws {DeltarError} `corrupt` if the format is not the expected one or the
 *   version is invalid; `unsupported` if the listing has a version newer than
 *   `version`.
 */
export function checkOpening(
  header: Line,
  format: string,
  version: number,
  object: string,
): void {
  if (header.format !== format) {
    throw new DeltarError("corrupt", `not a ${format}`, { object });
  }
  if (!Number.isInteger(header.version) || Number(header.version) < 1) {
    throw new DeltarError("corrupt", `the ${format} has no valid version`, {
      object,
    });
  }
  if (Number(header.version) > version) {
    throw new DeltarError(
      "unsupported",
      `the ${format} has version ${header.version}, but this version of ` +
        `deltar reads at most version ${version}; update deltar`,
      { object },
    );
  }
}

/**
 * Returns the parsed lines of a part of a listing, each with its offset in the
 * part, in bytes. The part must consist of whole lines. Each line is parsed
 * when it is pulled.
 *
 * @param bytes The part of the listing.
 * @param object The name of the object, for errors.
 * @throws {DeltarError} `corrupt` if the last line is incomplete. The generator
 *   throws `corrupt` if a line that is pulled is not a JSON object.
 */
export function splitLines(
  bytes: Uint8Array,
  object: string,
): Generator<[line: Line, offset: number]> {
  if (bytes[bytes.length - 1] !== NEWLINE) {
    throw new DeltarError("corrupt", "the last line is incomplete", { object });
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
    const isObject = typeof value === "object" && value !== null &&
      !Array.isArray(value);
    if (isObject) return value;
  } catch {
    // The error is thrown below, as for every line that is not a JSON object.
  }
  throw new DeltarError("corrupt", "the line is not a JSON object", {
    object,
    offset: start,
  });
}
