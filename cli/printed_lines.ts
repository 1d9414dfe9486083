import { accessSync, constants, existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join, relative } from "node:path";
import process from "node:process";
import type { SnapshotRecord } from "../mod.ts";
import { belowOf } from "../lib/repository/mod.ts";
import { invocation } from "./invocation.ts";
import { existingDirectory, locateFrom } from "./location.ts";
import { shellWord } from "./text.ts";

/**
 * Returns the command that restores a snapshot into a new directory. The new
 * directory is next to the snapshot's directory if possible, otherwise in the
 * temporary folder.
 *
 * @param record The snapshot.
 * @param location The location of the repository.
 */
export function restoreBeside(
  record: SnapshotRecord,
  location: string,
): string {
  const here = existingDirectory();
  const target = targetBeside(firstOf(record), here);
  return [
    ...restoreWords(record, location, here),
    "--to",
    shellWord(target),
  ].join(" ");
}

/**
 * Returns the command that restores the whole directory of a snapshot in place,
 * and deletes files that are not in the snapshot. `deltar undo` reverts the
 * restore.
 *
 * @param record The snapshot.
 * @param location The location of the repository.
 */
export function restoreInPlace(
  record: SnapshotRecord,
  location: string,
): string {
  const here = existingDirectory();
  const isInFolder = here !== undefined && belowOf(record, here) !== "";
  return [
    ...restoreWords(record, location, here),
    "--in-place",
    ...isInFolder ? ["--all"] : [],
    "--delete",
  ].join(" ");
}

/** Returns the command that compares two snapshots. */
export function diffLine(
  before: SnapshotRecord,
  after: SnapshotRecord,
  location: string,
): string {
  const here = existingDirectory();
  return [
    invocation(),
    "diff",
    before.id,
    after.id,
    ...repositoryWords(location, here),
  ].join(" ");
}

/** Returns the beginning of a command that restores a snapshot. */
function restoreWords(
  { id }: SnapshotRecord,
  location: string,
  here: string | undefined,
): string[] {
  return [invocation(), "restore", id, ...repositoryWords(location, here)];
}

/**
 * Returns the words of a command line that name a repository. Returns no words
 * if `DELTAR_REPOSITORY` is not set and deltar uses this repository by default
 * in the current directory.
 */
function repositoryWords(
  location: string,
  here: string | undefined,
): string[] {
  // If `DELTAR_REPOSITORY` is set, the line still names the repository, because
  // the variable might not be set where the user types the line.
  const named = Boolean(process.env.DELTAR_REPOSITORY) ||
    here === undefined ||
    location !== locateFrom(undefined, here).location;
  return named ? ["--repo", shellWord(location)] : [];
}

/**
 * Returns the target of the printed restore command: a new directory next to
 * the snapshot's directory, so that the next snapshot does not include it. If
 * the folder that contains the snapshot's directory is not writable, the target
 * is in the temporary folder.
 *
 * @param directory The absolute path of the snapshot's directory.
 * @param here The absolute path of the current directory, or `undefined` if it
 * does not exist.
 * @returns A path relative to `here` if the target is in `here` or in the
 * folder that contains `here`, otherwise an absolute path.
 */
function targetBeside(directory: string, here: string | undefined): string {
  const parent = dirname(directory);
  const name = `${basename(directory).slice(0, MAX_NAME_LENGTH)}-restored`;
  const base = isWritable(parent) ? parent : tmpdir();
  for (let number = 1;; number++) {
    const place = join(base, number === 1 ? name : `${name}-${number}`);
    if (existsSync(place)) continue;
    if (here === undefined) return place;
    const way = relative(here, place);
    return /^\.\.[\\/](?!\.\.)/.test(way) || !way.startsWith("..")
      ? way
      : place;
  }
}

/**
 * Returns the directory of a snapshot, or the first directory if there are
 * several.
 */
function firstOf({ directory, common, rules }: SnapshotRecord): string {
  return common === undefined
    ? directory
    : join(common, rules?.paths?.[0] ?? "");
}

/**
 * The maximum length of the part of the target's name that is copied from the
 * name of the snapshot's directory, in UTF-16 code units.
 */
const MAX_NAME_LENGTH = 200;

function isWritable(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
