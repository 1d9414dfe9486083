/**
 * The versions of a file in which a range of lines changed, as `git log -L`
 * lists them.
 *
 * Versions are compared from the newest to the oldest. The range is carried
 * from each version to the next older one: the older range consists of the
 * unchanged lines of the range and of the old lines of each change that
 * overlaps the range.
 *
 * @module
 */
import { isDamage } from "../../../lib/bytes/errors.ts";
import { compareParts, linesOf, type Run } from "../../../shared/text_diff.ts";
import type { LineHistory, LineVersion } from "../shared/protocol.ts";
import { MAX_SEARCHED_BYTES, type SearchedVersion } from "./search_history.ts";

/**
 * A range of lines: the number of the first line, and the number of the line
 * after the last one. Lines are numbered from 0.
 */
type Range = readonly [start: number, end: number];

/** The lines of a version or of the text in the editor, and the range in it. */
interface Compared {
  /** The version, or `undefined` for the text in the editor. */
  version: SearchedVersion["version"] | undefined;
  lines: readonly string[];
  range: Range;
}

/**
 * Finds the versions in which a range of lines changed or was created. Versions
 * that are damaged or larger than 16 MiB are counted, but not compared.
 *
 * @param versions The versions, the newest first.
 * @param text The text in the editor.
 * @param encoding The encoding of the file, as VS Code names it.
 * @param range A range of at least one line of `text`.
 * @throws {unknown} Any error of finding or reading a version, except one about
 *   damage.
 */
export async function lineHistory(
  versions: AsyncIterable<SearchedVersion>,
  text: string,
  encoding: string,
  range: Range,
): Promise<LineHistory> {
  const result: LineHistory = {
    found: [],
    compared: 0,
    tooLarge: 0,
    unreadable: 0,
  };
  const decoder = decoderOf(encoding);
  let newer: Compared = { version: undefined, lines: textLines(text), range };
  for await (const { version, find } of versions) {
    let lines: string[];
    try {
      const { size, read } = await find();
      if (size > MAX_SEARCHED_BYTES) {
        result.tooLarge++;
        continue;
      }
      lines = textLines(decoder.decode(await read()));
    } catch (error) {
      if (!isDamage(error)) throw error;
      result.unreadable++;
      continue;
    }
    result.compared++;
    const older = {
      version,
      lines,
      range: rangeBefore(await compareParts(lines, newer.lines), newer.range),
    };
    if (!areEqual(older, newer)) add(result.found, newer, version);
    newer = older;
    if (isEmpty(newer)) return result;
  }
  add(result.found, newer, undefined);
  return result;
}

/** Returns the lines of a text. CRLF and LF count as the same line end. */
function textLines(text: string): string[] {
  return linesOf(text.replaceAll("\r\n", "\n"));
}

/**
 * Returns a decoder for an encoding, given by its name in VS Code, such as
 * `utf8bom` or `windows1252`. If the runtime does not know the encoding, bytes
 * are decoded as Windows-1252. In this encoding, every byte is a different
 * character, so changed lines are still found.
 */
function decoderOf(encoding: string): TextDecoder {
  const label = ENCODINGS[encoding] ??
    encoding.replace(/^(utf|windows)(?=\d)/, "$1-")
      .replace(/^iso8859/, "iso-8859-");
  try {
    return new TextDecoder(label);
  } catch {
    return new TextDecoder("windows-1252");
  }
}

/**
 * The labels of encodings for `TextDecoder`, by the names that VS Code uses.
 * `decoderOf` makes the labels of other encodings from their names.
 */
const ENCODINGS: Readonly<Record<string, string>> = {
  utf8bom: "utf-8",
  shiftjis: "shift_jis",
  eucjp: "euc-jp",
  euckr: "euc-kr",
  big5hkscs: "big5",
  cp950: "big5",
  koi8r: "koi8-r",
  koi8u: "koi8-u",
  macroman: "macintosh",
};

/** Adds a version to the result, unless it is the text in the editor. */
function add(
  found: LineVersion[],
  { version, lines, range: [start, end] }: Compared,
  before: SearchedVersion["version"] | undefined,
): void {
  if (version === undefined) return;
  const text = lines.slice(start, end).find((line) => line.trim() !== "") ?? "";
  found.push({
    version,
    ...before !== undefined && { before },
    line: start + 1,
    count: end - start,
    excerpt: text.trim().slice(0, 120),
  });
}

function isEmpty({ range: [start, end] }: Compared): boolean {
  return start === end;
}

/** Returns whether two versions have the same lines in their ranges. */
function areEqual(one: Compared, two: Compared): boolean {
  const [{ lines, range: [start, end] }, { range: [start2, end2] }] = [
    one,
    two,
  ];
  if (end - start !== end2 - start2) return false;
  for (let at = start; at < end; at++) {
    if (lines[at] !== two.lines[start2 + at - start]) return false;
  }
  return true;
}

/**
 * Returns the range of lines in the old text from which a range of lines in the
 * new text was made. The returned range is empty if all lines of the new range
 * were inserted.
 *
 * @param runs The runs of equal and of different lines of the texts, in order.
 * @param range The range in the new text.
 */
export function rangeBefore(runs: readonly Run[], range: Range): Range {
  const [start, end] = range;
  let [oldAt, newAt] = [0, 0];
  let [oldStart, oldEnd]: (number | undefined)[] = [undefined, undefined];
  for (const { old, now, isSame } of runs) {
    const [oldNext, newNext] = [oldAt + old.length, newAt + now.length];
    // Lines that were deleted between two lines of the range belong to the
    // range.
    const overlaps = now.length === 0
      ? newAt > start && newAt < end
      : newAt < end && newNext > start;
    if (overlaps) {
      oldStart ??= isSame ? oldAt + Math.max(start - newAt, 0) : oldAt;
      oldEnd = isSame ? oldAt + Math.min(end - newAt, old.length) : oldNext;
    }
    [oldAt, newAt] = [oldNext, newNext];
  }
  return [oldStart ?? oldAt, oldEnd ?? oldAt];
}
