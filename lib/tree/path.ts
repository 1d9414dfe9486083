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
 * Checks that a path is relative, is inside its root and is not too long.
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
      `${shown} is not a path inside a tree: a path must be relative, must not ` +
        "contain a NUL or an empty, `.` or `..` segment, and can have at most " +
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
 * Returns whether a value can be the name of a file or folder: a text that is
 * not empty, `.` or `..`, and that contains no `/`, `\` or NUL.
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
 * Returns a skipped path, cut to 16,383 UTF-16 code units if necessary. A
 * listing cannot contain a longer path.
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

/**
 * Returns the path of the folder that contains the entry at a path. The path of
 * the root is `""`.
 */
export function parentPath(path: string): string {
  const slash = path.lastIndexOf("/");
  return slash < 0 ? "" : path.slice(0, slash);
}

/**
 * Returns whether `path` equals `folder` or is below it.
 *
 * @param path A path.
 * @param folder The path of a folder; `""` for the root.
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
 * Yields the path of each folder above the given paths once, except the root.
 * If a folder is unwanted, this folder and all folders below it are omitted.
 *
 * @param paths The paths, in path order.
 * @param isWanted Called with the path of each folder that is not below an
 * unwanted folder. Returns whether the folder is wanted.
 */
export function* foldersAbove(
  paths: Iterable<string>,
  isWanted: (folder: string) => boolean,
): Generator<string> {
  let last = "";
  // The length of the path of the highest unwanted folder above `last`;
  // `Infinity` if all folders above `last` are wanted.
  let unwanted = Infinity;
  for (const path of paths) {
    const shared = sharedLength(last, path);
    if (unwanted > shared) unwanted = Infinity;
    // The folders that contain both `last` and `path` have already been
    // handled.
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
 * paths; 0 if this folder is the root.
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
