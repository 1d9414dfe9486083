import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { nameSum } from "./name_sum.ts";

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

/**
 * The maximum number of checksums of names that are recorded for a directory.
 */
const MAX_NAMES = 50;

/**
 * The maximum size in bytes of a note that is read. A note is a file that
 * records one directory.
 */
const MAX_NOTE_BYTES = 1 << 16;

/** Functions of the library that identify places on the disks. */
export interface Places {
  /**
   * Returns the absolute path of a file or folder, with all symlinks resolved.
   */
  truePlace(path: string): string;
  /**
   * Returns the mount point of the file system that contains a path, and a
   * fingerprint: a text that differs between file systems that are mounted
   * there at different times.
   */
  fileSystemOf(path: string): { mount: string; fingerprint: string };
}

/**
 * The directories of this machine that have snapshots. Each directory is
 * recorded in a note, and all notes are in one folder.
 */
export class KnownDirectories {
  readonly #notes: string;
  readonly #places: Places;

  /**
   * Makes an instance for a folder of notes.
   *
   * @param notes The folder of the notes. It need not exist.
   * @param places Functions that resolve a path and identify its file system.
   */
  constructor(notes: string, places: Places) {
    this.#notes = notes;
    this.#places = places;
  }

  /**
   * Records that the snapshots of a directory are in a repository. An empty
   * directory is not recorded. Errors are ignored.
   */
  remember(directory: string, repository: string): void {
    try {
      const identity = this.#identityOf(directory);
      const sums = sumsOf(directory, identity);
      // After a move, an empty directory could not be recognized, because it
      // has no names to compare.
      if (sums.length === 0) return;
      const text = `${
        JSON.stringify({ directory, repository, identity, sums })
      }\n`;
      const note = this.#noteOf(directory);
      if (readNote(note) === text) {
        // This note becomes the newest again, because the directory might have
        // been recorded at another path in the meantime.
        const now = new Date();
        utimesSync(note, now, now);
        return;
      }
      mkdirSync(this.#notes, { recursive: true, mode: 0o700 });
      writeFileSync(note, text, { mode: 0o600 });
    } catch {
      // Without the note, a moved directory is treated as a new one.
    }
  }

  /**
   * Returns the known directory that was moved to a path, if there is one. The
   * known directory no longer exists at its old path, and the directory at the
   * new path has the same file system, inode number and creation time, and at
   * least half of the recorded names. If there are several such directories,
   * the directory that was recorded last is returned.
   *
   * @param place The new path.
   * @param isUsable Called with a known directory. Returns whether this
   * directory can be the result. By default, every known directory can.
   */
  movedTo(
    place: string,
    isUsable: (known: KnownDirectory) => boolean = () => true,
  ): KnownDirectory | undefined {
    const { truePlace } = this.#places;
    try {
      const identity = this.#identityOf(place);
      const sums = new Set(sumsOf(place, identity));
      return this.#newestFirst().map((note) => decodeNote(readNote(note)))
        .find((known) =>
          known !== undefined && known.identity === identity &&
          truePlace(known.directory) !== truePlace(place) &&
          !this.#isStill(known) && isMostlyIn(known.sums, sums) &&
          isUsable(known)
        );
    } catch {
      return undefined;
    }
  }

  #newestFirst(): string[] {
    return readdirSync(this.#notes).map((name) => {
      const note = join(this.#notes, name);
      return { note, time: lstatSync(note).mtimeMs };
    }).sort((a, b) => b.time - a.time).map(({ note }) => note);
  }

  /** Returns whether a directory is still at its old path. */
  #isStill({ directory, identity }: KnownDirectory): boolean {
    try {
      return this.#identityOf(directory) === identity;
    } catch {
      return false;
    }
  }

  #identityOf(directory: string): string {
    const { ino, birthtimeMs } = statSync(directory, { bigint: true });
    const { mount, fingerprint } = this.#places.fileSystemOf(directory);
    return JSON.stringify([mount, fingerprint, `${ino}`, `${birthtimeMs}`]);
  }

  #noteOf(directory: string): string {
    const name = nameSum(this.#places.truePlace(directory));
    return join(this.#notes, `${name}.json`);
  }
}

/**
 * Returns whether at least half of the checksums, and at least one, are in
 * `others`. A file system can give the identity of a deleted directory to a new
 * directory, so the identity alone is not enough.
 */
function isMostlyIn(
  sums: readonly string[],
  others: ReadonlySet<string>,
): boolean {
  const same = sums.filter((sum) => others.has(sum));
  return same.length > 0 && 2 * same.length >= sums.length;
}

/**
 * Returns the checksums of the first `MAX_NAMES` names in a directory, in
 * sorted order. The checksums also depend on the directory's identity, so that
 * equal names in two directories have different checksums.
 */
function sumsOf(directory: string, identity: string): string[] {
  return readdirSync(directory).sort().slice(0, MAX_NAMES)
    .map((name) => nameSum(`${identity}/${name}`));
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
