import { codeOf, DeltarError } from "../bytes/errors.ts";
import { toHex } from "../bytes/hex.ts";
import { createSha256 } from "../bytes/sha256.ts";
import { type DiffIndex, pathOf } from "./diff_index.ts";
import type { HashedEntry } from "./entry_line.ts";
import { canHaveLinks, nameOfKind } from "./entry.ts";
import type { Folder } from "./folder.ts";
import { openFolder } from "./open_folder.ts";
import { checkPath, nameOf, parentPath } from "./path.ts";
import { readPieces } from "./read_file.ts";
import { lstat } from "./stat.ts";

/**
 * Checks that a directory is in the state that a difference starts from. Paths
 * that the difference changes or deletes must have their old kind, link target,
 * device number and content. The content of a path is not read if only the
 * mode, time, owner or extended attributes of the path change. Files that the
 * difference renames or copies must have their old content. Paths that the
 * difference creates must not exist. Modes, times, owners and extended
 * attributes are not compared. These checks prevent the loss of data that is
 * not in a backup.
 *
 * @param root The path of the directory.
 * @param diff The difference that is to be applied.
 * @throws {DeltarError} `mismatch`, with the path, if a path is in a different
 * state; `unsafe` if a folder above a path is a symlink or a path leads out of
 * the directory.
 * @throws {Error} The system's error, with its `code`, if a path cannot be
 * read.
 */
export function checkBase(root: string, diff: DiffIndex): void {
  const sums = new Map<string, string>();
  const gone = new Set<string>();
  /**
   * The paths where the difference creates a folder. Nothing exists below these
   * paths yet.
   */
  const opened = new Set<string>();
  const expectSum = (path: string, sha256: string) => {
    const place = `${root}/${path}`;
    let sum = sums.get(path);
    if (sum === undefined) sums.set(path, sum = sumOf(place));
    if (sum !== sha256) fail(path, "the content has changed");
  };
  for (const change of diff.changes) {
    const path = pathOf(change);
    checkPath(path);
    if (change.change === "deleted") gone.add(path);
    if ("before" in change) {
      checkEntry(root, change.before);
      if (change.before.sha256 !== undefined && change.change !== "touched") {
        expectSum(path, change.before.sha256);
      }
      if (change.change === "updated") {
        if (change.before.kind === "directory") gone.add(path);
        else if (change.entry.kind === "directory") opened.add(path);
      }
    } else {
      const parent = parentPath(path);
      if (!opened.has(parent)) {
        if (gone.has(parent) || !isFolder(root, parent)) {
          fail(path, "the folder that contains this path is missing");
        }
        if (kindAt(root, path) !== undefined) {
          fail(path, "the path already exists");
        }
      }
      if (change.entry.kind === "directory") opened.add(path);
    }
    if ("from" in change && change.from !== undefined) {
      checkFolders(root, change.from);
      expectSum(change.from, change.entry.sha256 ?? "");
    }
  }
  for (const path of gone) checkEmptied(root, path, gone);
}

function checkEntry(root: string, before: HashedEntry): void {
  const { path, kind } = before;
  const found = kindAt(root, path);
  const isAsBefore = kind === "hardlink" && found !== undefined
    ? canHaveLinks(found)
    : found === kind;
  if (!isAsBefore) {
    fail(
      path,
      found === undefined
        ? "the path is missing"
        : `the path now has a different kind: ${nameOfKind(found)}`,
    );
  }
  if (
    kind === "symlink" &&
    inFolder(
        `${root}/${parentPath(path)}`,
        (folder) => folder.readLink(nameOf(path)),
      ) !== before.target
  ) {
    fail(path, "the target of the symlink has changed");
  }
  if (before.kind === "block" || before.kind === "character") {
    const { major, minor } = before.device;
    const found = lstat(`${root}/${path}`).rdev;
    if (found?.major !== major || found.minor !== minor) {
      fail(path, "the device number has changed");
    }
  }
  if (before.kind === "hardlink") {
    const { target } = before;
    const [one, other] = [path, target].map((path) => `${root}/${path}`);
    if (kindAt(root, target) !== found || !isSameFile(one, other)) {
      fail(path, `the path is no longer a hard link to ${target}`);
    }
  }
}

function isSameFile(one: string, other: string): boolean {
  const [a, b] = [lstat(one), lstat(other)];
  return a.inode === b.inode && a.device === b.device;
}

function isFolder(root: string, path: string): boolean {
  return path === "" || kindAt(root, path) === "directory";
}

/**
 * Returns the kind of the entry at a path, or `undefined` if the path does not
 * exist. A symlink at the path is not followed.
 */
function kindAt(root: string, path: string): string | undefined {
  checkFolders(root, path);
  return kindOf(`${root}/${path}`);
}

function kindOf(place: string): string | undefined {
  try {
    return lstat(place).kind;
  } catch (error) {
    const code = codeOf(error);
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw error;
  }
}

/**
 * Throws an error if a path leads out of the directory or through a symlink.
 */
function checkFolders(root: string, path: string): void {
  checkPath(path);
  for (let at = parentPath(path); at !== ""; at = parentPath(at)) {
    if (kindOf(`${root}/${at}`) === "symlink") {
      throw new DeltarError(
        "unsafe",
        `the folder ${at} is a symlink, which is not followed`,
        {
          path,
        },
      );
    }
  }
}

/**
 * Throws an error if a folder on the disk contains a path that the difference
 * does not delete.
 *
 * @param root The path of the directory.
 * @param path The path of the folder, which the difference deletes.
 * @param gone All paths that the difference deletes.
 */
function checkEmptied(root: string, path: string, gone: Set<string>): void {
  if (kindAt(root, path) !== "directory") return;
  for (const name of inFolder(`${root}/${path}`, (one) => one.names())) {
    if (!gone.has(`${path}/${name}`)) {
      fail(
        `${path}/${name}`,
        "the difference deletes the folder that contains this path, but not the path itself",
      );
    }
  }
}

function inFolder<Result>(
  place: string,
  work: (folder: Folder) => Result,
): Result {
  const folder = openFolder(place);
  try {
    return work(folder);
  } finally {
    folder.close();
  }
}

function sumOf(place: string): string {
  const sum = createSha256();
  for (const piece of readPieces(place)) sum.update(piece);
  return toHex(sum.digest());
}

function fail(path: string, what: string): never {
  throw new DeltarError(
    "mismatch",
    `the directory is not in the state that the difference starts from: ${what}`,
    { path },
  );
}
