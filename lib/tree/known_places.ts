import { fs, nodePath } from "../bytes/node.ts";
import { type FileSystemId, fileSystemOf } from "./place.ts";

/**
 * The location of a repository that this machine has used, and the file system
 * at this location.
 */
export interface KnownPlace {
  /** The location of the repository: the path of a folder, or a URL. */
  location: string;
  /**
   * The file system that contained the folder when the place was remembered.
   * Absent for a URL.
   */
  fileSystem?: FileSystemId;
}

/**
 * The locations of the repositories that a machine has used. A folder contains
 * one note for each location. The notes are used to distinguish a repository
 * whose disk is not mounted from a repository that never existed or was
 * deleted.
 *
 * @example Remember the location of a repository
 * ```ts
 * import { KnownPlaces } from "@deltar/deltar/tree";
 * import assert from "node:assert/strict";
 * import { mkdtempSync, rmSync } from "node:fs";
 *
 * const folder = mkdtempSync("example-");
 * try {
 *   const places = new KnownPlaces(`${folder}/state`);
 *   places.remember("backups", `${folder}/backups`, true);
 *   const known = places.recall("backups");
 *   assert.equal(known?.location, `${folder}/backups`);
 *   assert.equal(KnownPlaces.isMounted(known!), true);
 * } finally {
 *   rmSync(folder, { recursive: true });
 * }
 * ```
 */
export class KnownPlaces {
  /** The folder that contains the notes. */
  readonly folder: string;

  /**
   * Makes an instance that stores its notes in a folder. The folder is created
   * when the first place is remembered.
   *
   * @param folder The path of the folder, in the operating system's syntax.
   */
  constructor(folder: string) {
    this.folder = folder;
  }

  /**
   * Returns whether the file system of a place is mounted where it was when the
   * place was remembered. Returns `false` if the place has no `fileSystem`.
   *
   * @param place The place, as `recall` or `all` returned it.
   * @throws {Error} The system's error, if the file system that is now at the
   * location cannot be identified.
   */
  static isMounted({ location, fileSystem }: KnownPlace): boolean {
    if (fileSystem === undefined) return false;
    const now = fileSystemOf(location);
    return now.mount === fileSystem.mount &&
      now.fingerprint === fileSystem.fingerprint;
  }

  /**
   * Returns the path of the note for a key.
   *
   * @param key The key of the place.
   */
  noteOf(key: string): string {
    return nodePath.join(this.folder, `${key}.json`);
  }

  /**
   * Remembers a place. If the note cannot be written, no error is thrown, and
   * the place still counts as new when its repository is next used.
   *
   * @param key A key for the place, which must be valid as a file name. The
   * note has this name, followed by `.json`.
   * @param location The location of the repository: the path of a folder, or a
   * URL.
   * @param isFolder Whether the location is a folder. If so, its file system is
   * remembered too.
   */
  remember(key: string, location: string, isFolder: boolean): void {
    try {
      const text = encodePlace({
        location,
        ...isFolder && { fileSystem: fileSystemOf(location) },
      });
      if (readText(this.noteOf(key)) === text) return;
      fs.mkdirSync(this.folder, { recursive: true, mode: 0o700 });
      fs.writeFileSync(this.noteOf(key), text, { mode: 0o600 });
    } catch {
      // The error is ignored, because its only effect is that a repository
      // whose disk is not mounted counts as new.
    }
  }

  /**
   * Returns the place that is remembered under a key, or `undefined` if the key
   * is unknown or its note cannot be read.
   *
   * @param key The key that was passed to `remember`.
   */
  recall(key: string): KnownPlace | undefined {
    return decodePlace(readText(this.noteOf(key)));
  }

  /** Returns all places that are remembered, with the paths of their notes. */
  all(): (KnownPlace & { note: string })[] {
    let names: string[];
    try {
      names = fs.readdirSync(this.folder);
    } catch {
      return [];
    }
    return names.flatMap((name) => {
      const note = nodePath.join(this.folder, name);
      const place = decodePlace(readText(note));
      return place === undefined ? [] : [{ ...place, note }];
    });
  }
}

/** The maximum size of a note, in bytes. */
const MAX_NOTE_BYTES = 1 << 16;

function readText(file: string): string | undefined {
  try {
    const stat = fs.lstatSync(file);
    if (!stat.isFile() || stat.size > MAX_NOTE_BYTES) return undefined;
    return fs.readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}

/**
 * Returns the text of the note of a place. In a note, the fingerprint of the
 * file system is named `mark`.
 */
function encodePlace({ location, fileSystem }: KnownPlace): string {
  const { mount, fingerprint: mark } = fileSystem ?? {};
  const note = { location, ...fileSystem && { fileSystem: { mount, mark } } };
  return `${JSON.stringify(note)}\n`;
}

/**
 * Returns the place that the text of a note describes, or `undefined` if the
 * text is absent or invalid.
 */
function decodePlace(text: string | undefined): KnownPlace | undefined {
  try {
    const { location, fileSystem } = JSON.parse(text ?? "");
    if (typeof location !== "string") return undefined;
    const { mount, mark: fingerprint } = fileSystem ?? {};
    const isKnown = typeof mount === "string" &&
      typeof fingerprint === "string";
    return { location, ...isKnown && { fileSystem: { mount, fingerprint } } };
  } catch {
    return undefined;
  }
}
