/**
 * Searches the versions of a file for a text.
 *
 * Versions are read one after the other, so only one content is in memory at a
 * time. A content that occurs in several versions is searched once.
 *
 * @module
 */
import { isDamage } from "../../../lib/bytes/errors.ts";
import type {
  FileVersion,
  FoundVersion,
  HistorySearch,
} from "../shared/protocol.ts";

/** The maximum size of a version that is searched or compared, in bytes. */
export const MAX_SEARCHED_BYTES = 16 * 2 ** 20;

/** The maximum number of characters of an excerpt. */
const MAX_EXCERPT_LENGTH = 120;

/**
 * The number of characters before the found text in an excerpt that does not
 * begin at the start of the line.
 */
const EXCERPT_LEAD = 20;

/** A version, with a function that finds its content. */
export interface SearchedVersion {
  /** The version of the file. */
  version: FileVersion;
  /** Returns the content of the version. */
  find: () => Promise<Content>;
}

/** A content: its checksum, its size, and a function that reads it. */
export interface Content {
  /** The SHA-256 of the content, in hexadecimal. */
  sha256: string;
  /** The length of the content in bytes. */
  size: number;
  /**
   * Returns the bytes of the content. Called only if the content has at most
   * `MAX_SEARCHED_BYTES`.
   */
  read: () => Promise<Uint8Array>;
}

type Match = Pick<FoundVersion, "line" | "excerpt" | "matches">;

/**
 * Searches versions for a text, ignoring case. Versions that are damaged or
 * larger than 16 MiB are counted, but not searched.
 *
 * @param versions The versions, the newest first.
 * @param text The text, which is not empty.
 * @throws {unknown} Any error of finding or reading a version, except one about
 *   damage.
 */
export async function searchVersions(
  versions: AsyncIterable<SearchedVersion>,
  text: string,
): Promise<HistorySearch> {
  const pattern = new RegExp(
    text.replaceAll(/[\\^$.*+?()[\]{}|/]/g, "\\$&"),
    "giu",
  );
  const known = new Map<string, Match | undefined>();
  const result: HistorySearch = {
    found: [],
    searched: 0,
    tooLarge: 0,
    unreadable: 0,
  };
  for await (const { version, find } of versions) {
    try {
      const { sha256, size, read } = await find();
      if (size > MAX_SEARCHED_BYTES) {
        result.tooLarge++;
        continue;
      }
      if (!known.has(sha256)) {
        known.set(sha256, matchOf(await read(), pattern));
      }
      result.searched++;
      const match = known.get(sha256);
      if (match !== undefined) {
        result.found.push({ ...version, size, ...match });
      }
    } catch (error) {
      if (!isDamage(error)) throw error;
      result.unreadable++;
    }
  }
  return result;
}

/**
 * Returns the number of matches of a pattern in a content, and the number and
 * an excerpt of the line with the first match. Returns `undefined` if there is
 * no match. Bytes that are not valid UTF-8 are decoded as U+FFFD.
 */
function matchOf(content: Uint8Array, pattern: RegExp): Match | undefined {
  const text = new TextDecoder().decode(content);
  let matches = 0;
  let first: RegExpExecArray | undefined;
  for (const match of text.matchAll(pattern)) {
    first ??= match;
    matches++;
  }
  if (first === undefined) return undefined;
  const { index } = first;
  const start = index === 0 ? 0 : text.lastIndexOf("\n", index - 1) + 1;
  const newline = text.indexOf("\n", index);
  const end = newline < 0 ? text.length : newline;
  let line = 1;
  for (let at = text.indexOf("\n"); at >= 0 && at < start; line++) {
    at = text.indexOf("\n", at + 1);
  }
  const from = index - start > MAX_EXCERPT_LENGTH / 2
    ? index - EXCERPT_LEAD
    : start;
  const excerpt = text.slice(from, Math.min(end, from + MAX_EXCERPT_LENGTH));
  return { line, excerpt: excerpt.trim(), matches };
}
