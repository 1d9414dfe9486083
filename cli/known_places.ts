import { existsSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { isAbsolute, join } from "node:path";
import process from "node:process";
import {
  DeltarError,
  fileSystemOf,
  type KnownPlace,
  KnownPlaces,
  pathBelow,
  truePlace,
} from "../mod.ts";
import {
  cacheFolder,
  holdsRepository,
  isDefaultRepository,
  isFolder,
  placeSum,
  userFolder,
} from "./location.ts";

/** The effect of `--init`. */
export const INIT = "begin a new repository where there was one before";

/** The facts known of a location without a repository. */
export type Loss =
  /** There was one, and its disk is not there, or it is not known. */
  | "lost"
  /** There was one, and its file system is there without it. */
  | "deleted"
  /** There never was one, or it does not matter. */
  | "new";

function places(): KnownPlaces {
  return new KnownPlaces(join(userFolder("state"), "places"));
}

/** The key of a place: a folder has one, whichever path leads to it. */
function keyOf(location: string): string {
  return placeSum(isFolder(location) ? truePlace(location) : location);
}

/** The note of a version that kept them in the cache, without a file system. */
function oldNoteOf(location: string): string {
  return join(cacheFolder(), "places", keyOf(location));
}

/** The file that says that there was a repository at a place. */
export function noteOf(location: string): string {
  const old = oldNoteOf(location);
  return existsSync(old) ? old : places().noteOf(keyOf(location));
}

/** Notes that snapshots are kept at a place. */
export function rememberPlace(location: string): void {
  // Nobody mounts a disk at a place that nobody names.
  if (isDefaultRepository(location)) return;
  places().remember(keyOf(location), location, isFolder(location));
  rmSync(oldNoteOf(location), { force: true });
}

/** The fate of a repository that is no longer at its location. */
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

/** The variables by which services that build and test name such folders. */
const TEMPORARY = ["RUNNER_TEMP", "AGENT_TEMPDIRECTORY"];

/** Returns the folders whose content the system deletes or forgets. */
function temporaryFolders(): string[] {
  const named = TEMPORARY.map((name) => process.env[name] ?? "");
  const common = process.platform === "win32" ? [] : ["/tmp", "/var/tmp"];
  return [tmpdir(), ...common, ...named].filter((folder) => isAbsolute(folder));
}

/**
 * Returns whether a place was among temporary files, and not on another disk
 * that is mounted there.
 */
function isTemporary({ location, fileSystem }: KnownPlace): boolean {
  return temporaryFolders().some((folder) => {
    if (pathBelow(folder, location) === undefined) return false;
    return fileSystem === undefined
      ? fileSystemOf(location).mount === fileSystemOf(folder).mount
      : !pathBelow(folder, fileSystem.mount);
  });
}

/** Says that there is no repository where one was. */
export function placeIsLost(location: string, cause?: unknown): DeltarError {
  const advice = isFolder(location)
    ? "If its disk is not mounted, mount it."
    : "If it was moved, name its new place with --repo.";
  return new DeltarError(
    "not-found",
    `the repository that was here is missing. ${advice} To start a new ` +
      "repository here, run `deltar snapshot` or `deltar copy` with `--init`.",
    { object: location, cause },
  );
}

/** The folders where this machine kept snapshots, and whose disk is gone. */
export function lostPlaces(): { location: string; note: string }[] {
  return places().all().filter((known) =>
    isFolder(known.location) && !holdsRepository(known.location) &&
    lossOf(known) === "lost"
  );
}
