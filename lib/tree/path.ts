import { DeltarError } from "../bytes/errors.ts";

/** A segment that is empty, `.` or `..`, or a NUL anywhere. */
const UNSAFE = /(?:^|\/)\.{0,2}(?:\/|$)|\0/;

/**
 * The longest path that is accepted, in UTF-16 code units. V8 tells longer
 * texts apart by their length alone where it looks for them in a `Map`: a few
 * thousand of them, alike, take minutes.
 */
const MAX_LENGTH = 16_383;

/** The most segments of a path: as many as Linux takes in one (`PATH_MAX`). */
const MAX_SEGMENTS = 2048;

/**
 * Refuses a path that is not relative, `/`-separated and inside its root.
 *
 * @param path The path, from an index, an archive or a caller.
 * @param object The archive or file that the path was read from.
 * @throws {DeltarError} `unsafe` if it is absolute, empty, has an empty, `.`
 * or `..` segment, or a NUL, or is beyond 16,383 characters or 2,048 segments.
 */
export function checkPath(path: string, object?: string): void {
  if (isTooLong(path) || UNSAFE.test(path)) {
    const shown = JSON.stringify(path.slice(0, 200));
    throw new DeltarError("unsafe", `${shown} is not a path inside a tree`, {
      object,
    });
  }
}

/** Returns whether a path has too many characters or segments. */
export function isTooLong(path: string): boolean {
  if (path.length > MAX_LENGTH) return true;
  if (path.length < 2 * MAX_SEGMENTS) return false;
  let segments = 1;
  for (let at = path.indexOf("/"); at >= 0; at = path.indexOf("/", at + 1)) {
    segments++;
  }
  return segments > MAX_SEGMENTS;
}

/** Returns a skipped path as listings have it: one that is too long is cut. */
export function skippedPath(path: string): string {
  return path.length <= MAX_LENGTH
    ? path
    : path.slice(0, MAX_LENGTH).toWellFormed();
}

/**
 * The order of paths in an index: a folder comes right before what is in it,
 * names in one folder by their UTF-16 code units. This is the order of a
 * depth-first walk, so trees and indexes merge as streams.
 *
 * @returns Negative, zero or positive, as `Array.prototype.sort` takes it.
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

/** The folder a path lies in, `""` for the root. */
export function parentPath(path: string): string {
  const slash = path.lastIndexOf("/");
  return slash < 0 ? "" : path.slice(0, slash);
}

/** Whether `path` is `folder` or lies below it; `""` is the root. */
export function isWithin(path: string, folder: string): boolean {
  return folder === "" || path === folder || path.startsWith(`${folder}/`);
}

/**
 * Yields the folders above paths, each once and the root not. Below a folder
 * that is not wanted none is asked for.
 *
 * @param paths The paths, in path order.
 * @param isWanted Returns whether a folder is wanted.
 */
export function* foldersAbove(
  paths: Iterable<string>,
  isWanted: (folder: string) => boolean,
): Generator<string> {
  let last = "";
  // Where the first folder above `last` ends that is not wanted.
  let unwanted = Infinity;
  for (const path of paths) {
    const shared = sharedLength(last, path);
    if (unwanted > shared) unwanted = Infinity;
    // What is above both was asked for before.
    let end = path.indexOf("/", shared + 1);
    for (; end >= 0 && end < unwanted; end = path.indexOf("/", end + 1)) {
      const folder = path.slice(0, end);
      if (isWanted(folder)) yield folder;
      else unwanted = end;
    }
    last = path;
  }
}

/** Returns the length of the longest folder that is above two paths. */
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
