import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { DeltarError } from "../mod.ts";
import { cacheFolder, isFolder, placeSum, realPlace } from "./location.ts";

/** What `--init` does. */
export const INIT = "begin a new repository where there was one before";

/** A place where this machine has kept snapshots. */
interface KnownPlace {
  /** Where. */
  location: string;
  /** The note that says so. */
  note: string;
}

/** Notes that snapshots are kept at a place. */
export function rememberPlace(location: string): void {
  const note = noteOf(location);
  if (existsSync(note)) return;
  try {
    mkdirSync(notes(), { recursive: true });
    writeFileSync(note, `${location}\n`);
  } catch {
    // Then a disk that is not mounted looks as a new one does.
  }
}

/**
 * Whether this machine has kept snapshots at a place: if nothing is there now,
 * a disk may not be mounted.
 */
export function isKnownPlace(location: string): boolean {
  return existsSync(noteOf(location));
}

/** Says that there is no repository where one was. */
export function placeIsLost(location: string, cause?: unknown): DeltarError {
  const asks = isFolder(location)
    ? "is its disk mounted?"
    : "was it moved, or deleted?";
  return new DeltarError(
    "not-found",
    `there was a repository here and now there is none: ${asks} If it is gone ` +
      "for good, `deltar snapshot` or `deltar copy` begins a new one with " +
      "`--init`",
    { object: location, cause },
  );
}

/** The folders where this machine kept snapshots, and that hold none now. */
export function lostPlaces(): KnownPlace[] {
  return knownPlaces().filter(({ location }) =>
    isFolder(location) &&
    !["deltar.json", "snapshots"].some((name) =>
      existsSync(join(location, name))
    )
  );
}

function knownPlaces(): KnownPlace[] {
  try {
    return readdirSync(notes()).map((name) => {
      const note = join(notes(), name);
      return { location: readFileSync(note, "utf8").trimEnd(), note };
    });
  } catch {
    // There are none; or what is wrong with the folder is told of elsewhere.
    return [];
  }
}

/** Where a place is noted: a folder has one note, whichever path leads to it. */
export function noteOf(location: string): string {
  const place = isFolder(location) ? realPlace(location) : location;
  return join(notes(), placeSum(place));
}

function notes(): string {
  return join(cacheFolder(), "places");
}
