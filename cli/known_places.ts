import { existsSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { isAbsolute, join } from "node:path";
import process from "node:process";
import { DeltarError } from "../mod.ts";
import {
  fileSystemOf,
  type KnownPlace,
  KnownPlaces,
  pathBelow,
  truePlace,
} from "../lib/tree/mod.ts";
import {
  cacheFolder,
  holdsRepository,
  isDefaultRepository,
  isFolder,
  placeSum,
  userFolder,
} from "./location.ts";

/** The help text of `--init`. */
export const INIT = "Create a new repository in place of a missing one";

/** The reason why a location has no repository. */
export type Loss =
  /**
   * A repository was at the location, and might still exist: its disk might not
   * be mounted, or the location is a URL.
   */
  | "lost"
  /**
   * A repository was at the location, and no longer exists: either the file
   * system of the location is mounted and does not contain the repository, or
   * the repository was in a temporary folder.
   */
  | "deleted"
  /**
   * This machine knows of no earlier repository at the location, or the
   * location is that of a default repository.
   */
  | "new";

function places(): KnownPlaces {
  return new KnownPlaces(join(userFolder("state"), "places"));
}

/**
 * Returns the name under which a location is recorded. Paths that lead to the
 * same folder through symlinks have the same name.
 */
export function keyOf(location: string): string {
  return placeSum(isFolder(location) ? truePlace(location) : location);
}

/** Returns the path where older versions stored the note of a location. */
function oldNoteOf(location: string): string {
  return join(cacheFolder(), "places", keyOf(location));
}

/**
 * Returns the path of the note that records that a repository was at a
 * location. The note might not exist.
 */
export function noteOf(location: string): string {
  const old = oldNoteOf(location);
  return existsSync(old) ? old : places().noteOf(keyOf(location));
}

/**
 * Records that a repository is at a location, unless it is a default
 * repository.
 */
export function rememberPlace(location: string): void {
  // No note is needed, because the folder of default repositories cannot be
  // unmounted.
  if (isDefaultRepository(location)) return;
  places().remember(keyOf(location), location, isFolder(location));
  rmSync(oldNoteOf(location), { force: true });
}

/** Returns the reason why a location has no repository. */
export function lossAt(location: string): Loss {
  if (isDefaultRepository(location)) return "new";
  const known = places().recall(keyOf(location)) ??
    (existsSync(oldNoteOf(location)) ? { location } : undefined);
  return known === undefined ? "new" : lossOf(known);
}

function lossOf(known: KnownPlace): Loss {
  const { location } = known;
  if (!isFolder(location)) return "lost";
  try {
    return KnownPlaces.isMounted(known) || isTemporary(known)
      ? "deleted"
      : "lost";
  } catch {
    return "lost";
  }
}

/**
 * The environment variables that name the temporary folders of build services.
 */
const TEMPORARY = ["RUNNER_TEMP", "AGENT_TEMPDIRECTORY"];

/** Returns the folders in which the system can delete files at any time. */
function temporaryFolders(): string[] {
  const named = TEMPORARY.map((name) => process.env[name] ?? "");
  const common = process.platform === "win32" ? [] : ["/tmp", "/var/tmp"];
  return [tmpdir(), ...common, ...named].filter((folder) => isAbsolute(folder));
}

/**
 * Returns whether a location is in a temporary folder, and not on another disk
 * that is mounted in this folder.
 */
function isTemporary({ location, fileSystem }: KnownPlace): boolean {
  return temporaryFolders().some((folder) => {
    if (pathBelow(folder, location) === undefined) return false;
    return fileSystem === undefined
      ? fileSystemOf(location).mount === fileSystemOf(folder).mount
      : !pathBelow(folder, fileSystem.mount);
  });
}

/** Returns the error for a known repository that is missing. */
export function placeIsLost(location: string, cause?: unknown): DeltarError {
  const advice = isFolder(location)
    ? "If its disk is not mounted, mount it."
    : "If it was moved, name its new location with --repo.";
  return new DeltarError(
    "not-found",
    `the repository that was here is missing. ${advice} To start a new ` +
      "repository here, run `deltar snapshot` or `deltar copy` with `--init`.",
    { object: location, cause },
  );
}

/**
 * Returns the known repositories that are missing from their folders, possibly
 * because their disks are not mounted.
 */
export function lostPlaces(): { location: string; note: string }[] {
  return places().all().filter((known) =>
    isFolder(known.location) && !holdsRepository(known.location) &&
    lossOf(known) === "lost"
  );
}
