import { accessSync, constants, existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join, relative } from "node:path";
import process from "node:process";
import type { SnapshotRecord } from "../mod.ts";
import { invocation } from "./invocation.ts";
import { existingDirectory, locateFrom } from "./location.ts";
import { shellWord } from "./text.ts";

/**
 * Returns the command line that restores a snapshot into a new directory.
 *
 * @param record The snapshot.
 * @param location The location of the repository.
 */
export function restoreLine(record: SnapshotRecord, location: string): string {
  const here = existingDirectory();
  // The environment may differ when the user types the printed line.
  const named = Boolean(process.env.DELTAR_REPOSITORY) ||
    here === undefined ||
    location !== locateFrom(undefined, here).location;
  return [
    invocation(),
    "restore",
    record.id,
    ...named ? ["--repo", shellWord(location)] : [],
    "--to",
    shellWord(targetBeside(firstOf(record), here)),
  ].join(" ");
}

/**
 * Returns the target of the printed restore command: a new directory next to
 * the snapshot's directory, so that the next snapshot does not include it. If
 * the parent directory is not writable, the target is in the temporary folder.
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

/** The maximum length of the directory's name in the target, in characters. */
const MAX_NAME_LENGTH = 200;

function isWritable(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
