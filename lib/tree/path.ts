import { DeltarError } from "../bytes/errors.ts";

/** The pattern of paths with an empty, `.` or `..` segment, or with a NUL. */
const UNSAFE = /(?:^|\/)\.{0,2}(?:\/|$)|\0/;

/**
 * The maximum length of a path, in UTF-16 code units. In a `Map`, V8 hashes
 * longer strings by their length alone, so looking up a few thousand strings of
 * equal length takes minutes.
 */
const MAX_PATH_LENGTH = 16_383;

/**
 * The maximum number of segments of a path: the number of segments that fit
 * into the longest path of Linux (`PATH_MAX`).
 */
const MAX_SEGMENTS = 2048;

/**
 * Checks that a path is relative, `/`-separated and inside its root.
 *
 * @param path The path, from an index, an archive or a caller.
 * @param object The name of the archive or file that the path was read from,
 * for the error.
 * @throws {DeltarError} `unsafe` if the path is empty or absolute, has an
 * empty, `.` or `..` segment, contains a NUL, or has more than 16,383
 * characters or 2,048 segments.
 */
export function checkPath(path: string, object?: string): void {
  if (!isSafePath(path)) {
    const shown = JSON.stringify(path.slice(0, 200));
    throw new DeltarError(
      "unsafe",
      `${shown} is not a path inside a tree: a path is relative, has no empty, ` +
        "`.` or `..` segment and no NUL, and has at most " +
        `${MAX_PATH_LENGTH} characters and ${MAX_SEGMENTS} segments`,
      {
        object,
      },
    );
  }
}

/** Returns whether `checkPath` accepts a path. */
export function isSafePath(path: string): boolean {
  return !isTooLong(path) && !UNSAFE.test(path);
}

/**
 * Returns whether a value is the name of one file or folder, not a path with
 * several segments.
 */
export function isName(value: unknown): value is string {
  return typeof value === "string" && !UNSAFE.test(value) &&
    !/[\\/]/.test(value);
}

/**
 * Returns whether a path has more than 16,383 characters or 2,048 segments.
 */
export function isTooLong(path: string): boolean {
  if (path.length > MAX_PATH_LENGTH) return true;
  if (path.length < 2 * MAX_SEGMENTS) return false;
  let segments = 1;
  for (let at = path.indexOf("/"); at >= 0; at = path.indexOf("/", at + 1)) {
    segments++;
  }
  return segments > MAX_SEGMENTS;
}

/**
 * Returns a skipped path as it is written in a listing: a path that is too long
 * is cut to the maximum length.
 */
export function skippedPath(path: string): string {
  return path.length <= MAX_PATH_LENGTH
    ? path
    : path.slice(0, MAX_PATH_LENGTH).toWellFormed();
}

/**
 * Compares paths by their order in an index. A folder comes directly before its
 * content. Names in one folder are ordered by their UTF-16 code units. Since a
 * depth-first walk yields paths in this order, trees and indexes can be merged
 * as streams.
 *
 * @param left A path.
 * @param right The path to compare it with.
 * @returns A negative number if `left` comes first, a positive number if
 * `right` comes first, and 0 if the paths are equal.
 *
 * @example
 * ```ts
 * import { comparePaths } from "@deltar/deltar/tree";
 * import assert from "node:assert/strict";
 *
 * const paths = ["a.txt", "a/b", "a"];
 * assert.deepEqual(paths.sort(comparePaths), ["a", "a/b", "a.txt"]);
 * ```
 */
export function comparePaths(left: string, right: string): number {
  const length = Math.min(left.length, right.length);
  for (let at = 0; at < length; at++) {
    const a = left.charCodeAt(at);
    const b = right.charCodeAt(at);
    if (a !== b) return a === SLASH ? -1 : b === SLASH ? 1 : a - b;
  }
  return left.length - right.length;
}

const SLASH = 47;

/** Returns the last segment of a path. */
export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** Returns the folder that contains a path; `""` is the root. */
export function parentPath(path: string): string {
  const slash = path.lastIndexOf("/");
  return slash < 0 ? "" : path.slice(0, slash);
}

/**
 * Returns whether `path` is `folder` or is below it; `""` is the root.
 *
 * @param path A path.
 * @param folder The path of a folder.
 *
 * @example
 * ```ts
 * import { isWithin } from "@deltar/deltar/tree";
 * import assert from "node:assert/strict";
 *
 * assert.equal(isWithin("a/b", "a"), true);
 * assert.equal(isWithin("ab", "a"), false);
 * ```
 */
export function isWithin(path: string, folder: string): boolean {
  return folder === "" || path === folder || path.startsWith(`${folder}/`);
}

/**
 * Yields each folder above the given paths once, except the root. If a folder
 * is not wanted, neither this folder nor any folder below it is yielded.
 *
 * @param paths The paths, in path order.
 * @param isWanted Called with each folder before it is yielded. Returns whether
 * the folder is wanted.
 */
export function* foldersAbove(
  paths: Iterable<string>,
  isWanted: (folder: string) => boolean,
): Generator<string> {
  let last = "";
  // The length of the path of the highest folder above `last` that is not
  // wanted.
  let unwanted = Infinity;
  for (const path of paths) {
    const shared = sharedLength(last, path);
    if (unwanted > shared) unwanted = Infinity;
    // The folders that contain both paths have already been tested.
    let end = path.indexOf("/", shared + 1);
    for (; end >= 0 && end < unwanted; end = path.indexOf("/", end + 1)) {
      const folder = path.slice(0, end);
      if (isWanted(folder)) yield folder;
      else unwanted = end;
    }
    last = path;
  }
}

/**
 * Returns the length of the path of the deepest folder that contains both
 * paths.
 */
function sharedLength(left: string, right: string): number {
  const length = Math.min(left.length, right.length);
  let folder = 0;
  for (let at = 0; at < length; at++) {
    const code = left.charCodeAt(at);
    if (code !== right.charCodeAt(at)) return folder;
    if (code === SLASH) folder = at;
  }
  return folder;
}
