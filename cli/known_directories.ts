import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { fileSystemOf, truePlace } from "../lib/tree/mod.ts";
import { nameSum } from "../shared/name_sum.ts";
import { userFolder } from "./location.ts";

/** A directory that has snapshots, as it is recorded on this machine. */
export interface KnownDirectory {
  /** The absolute path. */
  directory: string;
  /** The location of the repository. */
  repository: string;
  /**
   * The identity of the directory, which stays the same if the directory is
   * moved on its disk.
   */
  identity: string;
  /**
   * The checksums of the names of up to `MAX_NAMES` files and folders in the
   * directory. The names are not recorded, because they might be secret.
   */
  sums: string[];
}

/** The maximum number of names in a directory whose checksums are recorded. */
const MAX_NAMES = 50;

/**
 * The maximum size in bytes of a note that is read. A note is a file that
 * records one directory.
 */
const MAX_NOTE_BYTES = 1 << 16;

/**
 * Records that the snapshots of a directory are in a repository. An empty
 * directory is not recorded.
 */
export function rememberDirectory(
  directory: string,
  repository: string,
): void {
  try {
    const identity = identityOf(directory);
    const sums = sumsOf(directory, identity);
    // An empty directory cannot be recognized.
    if (sums.length === 0) return;
    const text = `${
      JSON.stringify({ directory, repository, identity, sums })
    }\n`;
    const note = noteOf(directory);
    if (readNote(note) === text) return;
    mkdirSync(notes(), { recursive: true, mode: 0o700 });
    writeFileSync(note, text, { mode: 0o600 });
  } catch {
    // Without the note, the directory counts as new after a move.
  }
}

/**
 * Returns the known directory that was moved to a path, if there is one. The
 * known directory no longer exists at its old path, and the directory at the
 * new path has the same identity and at least half of the recorded names. If
 * there are several such directories, returns the one recorded last.
 */
export function movedFrom(place: string): KnownDirectory | undefined {
  try {
    const identity = identityOf(place);
    const sums = new Set(sumsOf(place, identity));
    return newestFirst().map((note) => decodeNote(readNote(note))).find((
      known,
    ) =>
      known !== undefined && known.identity === identity &&
      truePlace(known.directory) !== truePlace(place) &&
      !isStill(known) && isMostlyIn(known.sums, sums)
    );
  } catch {
    return undefined;
  }
}

function newestFirst(): string[] {
  return readdirSync(notes()).map((name) => {
    const note = join(notes(), name);
    return { note, time: lstatSync(note).mtimeMs };
  }).sort((a, b) => b.time - a.time).map(({ note }) => note);
}

/** Returns whether a directory is still at its old path. */
function isStill({ directory, identity }: KnownDirectory): boolean {
  try {
    return identityOf(directory) === identity;
  } catch {
    return false;
  }
}

/**
 * Returns whether at least half of the checksums, and at least one, are in
 * `others`. A file system can give the identity of a deleted directory to a new
 * one, so the identity alone is not enough.
 */
function isMostlyIn(
  sums: readonly string[],
  others: ReadonlySet<string>,
): boolean {
  const same = sums.filter((sum) => others.has(sum));
  return same.length > 0 && 2 * same.length >= sums.length;
}

function identityOf(directory: string): string {
  const { ino, birthtimeMs } = statSync(directory, { bigint: true });
  const { mount, mark } = fileSystemOf(directory);
  return JSON.stringify([mount, mark, `${ino}`, `${birthtimeMs}`]);
}

/**
 * Returns the checksums of the names in a directory. The checksums depend on
 * the directory's identity, so that equal names in two directories have
 * different checksums.
 */
function sumsOf(directory: string, identity: string): string[] {
  return readdirSync(directory).sort().slice(0, MAX_NAMES)
    .map((name) => nameSum(`${identity}/${name}`));
}

function noteOf(directory: string): string {
  return join(notes(), `${nameSum(truePlace(directory))}.json`);
}

function notes(): string {
  return join(userFolder("state"), "directories");
}

function readNote(note: string): string | undefined {
  try {
    const stat = lstatSync(note);
    if (!stat.isFile() || stat.size > MAX_NOTE_BYTES) return undefined;
    return readFileSync(note, "utf8");
  } catch {
    return undefined;
  }
}

function decodeNote(text: string | undefined): KnownDirectory | undefined {
  try {
    const { directory, repository, identity, sums } = JSON.parse(text ?? "");
    const texts = [directory, repository, identity, ...sums];
    return texts.every((value) => typeof value === "string")
      ? { directory, repository, identity, sums }
      : undefined;
  } catch {
    return undefined;
  }
}
