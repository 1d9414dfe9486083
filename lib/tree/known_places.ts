import { fs, nodePath } from "../bytes/node.ts";
import { type FileSystemIdentity, fileSystemOf } from "./place.ts";

/** A place where this machine has kept a repository. */
export interface KnownPlace {
  /** Its location: a folder, or an address. */
  location: string;
  /** The file system that a folder lay on. */
  fileSystem?: FileSystemIdentity;
}

/**
 * The places where a machine has kept repositories, one note for each in a
 * folder. They tell a repository whose disk is not mounted from one that was
 * never there, and from one that was deleted.
 *
 * @example Tell a deleted repository from a disk that is not mounted
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
  /** The folder that holds the notes. */
  readonly folder: string;

  /**
   * Uses a folder; it is made when the first place is remembered.
   *
   * @param folder A path of the operating system.
   */
  constructor(folder: string) {
    this.folder = folder;
  }

  /** Whether the file system that held a place is mounted where it was. */
  static isMounted({ location, fileSystem }: KnownPlace): boolean {
    if (fileSystem === undefined) return false;
    const now = fileSystemOf(location);
    return now.mount === fileSystem.mount && now.mark === fileSystem.mark;
  }

  /** The file of a note. */
  noteOf(key: string): string {
    return nodePath.join(this.folder, `${key}.json`);
  }

  /**
   * Remembers a place. A note that cannot be written is not an error: the
   * place is then new each time.
   *
   * @param key The name of its note.
   * @param location The location.
   * @param isFolder Whether it is a folder, whose file system is noted too.
   */
  remember(key: string, location: string, isFolder: boolean): void {
    try {
      const place: KnownPlace = {
        location,
        ...isFolder && { fileSystem: fileSystemOf(location) },
      };
      const text = `${JSON.stringify(place)}\n`;
      if (readText(this.noteOf(key)) === text) return;
      fs.mkdirSync(this.folder, { recursive: true, mode: 0o700 });
      fs.writeFileSync(this.noteOf(key), text, { mode: 0o600 });
    } catch {
      // Then a disk that is not mounted looks as a new place does.
    }
  }

  /** Returns the place that is remembered under a key, if any. */
  recall(key: string): KnownPlace | undefined {
    return decodePlace(readText(this.noteOf(key)));
  }

  /** All places that are remembered, with their notes. */
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

/** The most bytes that a note has. */
const LONGEST_NOTE = 1 << 16;

function readText(file: string): string | undefined {
  try {
    const stat = fs.lstatSync(file);
    if (!stat.isFile() || stat.size > LONGEST_NOTE) return undefined;
    return fs.readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}

/** Reads a note; what is not one says nothing. */
function decodePlace(text: string | undefined): KnownPlace | undefined {
  try {
    const { location, fileSystem } = JSON.parse(text ?? "");
    if (typeof location !== "string") return undefined;
    const { mount, mark } = fileSystem ?? {};
    const isKnown = typeof mount === "string" && typeof mark === "string";
    return { location, ...isKnown && { fileSystem: { mount, mark } } };
  } catch {
    return undefined;
  }
}
