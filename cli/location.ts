import { existsSync, realpathSync } from "node:fs";
import { dirname, isAbsolute, join, resolve } from "node:path";
import process from "node:process";
import { DeltarError } from "../mod.ts";
import { repositoryName } from "../lib/repository/mod.ts";
import { truePlace } from "../lib/tree/mod.ts";
import { isFolder, locationSum } from "../shared/location_sum.ts";
import { isTooMuch } from "../shared/too_much.ts";
import { userFolder } from "../shared/user_folder.ts";

export { isFolder, isTooMuch, userFolder };
export type { FolderKind } from "../shared/user_folder.ts";

/** Returns the path of the folder for caches. */
export function cacheFolder(): string {
  return userFolder("cache");
}

/**
 * Returns the current directory. If the current directory was deleted, returns
 * the path that the shell stores in `PWD`, so that the default repository of
 * the directory can be found.
 *
 * @throws {DeltarError} `not-found` if the current directory was deleted and
 * its path is unknown.
 */
export function currentDirectory(): string {
  try {
    return process.cwd();
  } catch (cause) {
    const { PWD = "" } = process.env;
    if (isAbsolute(PWD)) return PWD;
    throw new DeltarError(
      "not-found",
      "the current directory was deleted; change to another directory",
      { cause },
    );
  }
}

/** Returns the current directory, or `undefined` if it was deleted. */
export function existingDirectory(): string | undefined {
  try {
    return process.cwd();
  } catch {
    return undefined;
  }
}

/** Returns the absolute form of a path that a user typed. */
export function absolute(path: string): string {
  return isAbsolute(path) ? resolve(path) : resolve(currentDirectory(), path);
}

/** Returns the folder of default repositories. */
function repositories(): string {
  return join(userFolder("data"), "repositories");
}

/** Returns the location of a directory's default repository. */
export function defaultRepository(directory: string): string {
  const location = join(
    repositories(),
    repositoryName(truePlace(directory)),
  );
  if (existsSync(location)) return location;
  // Earlier versions named the repository after the path with the upper and
  // lower case that the user typed. `truePlace` returns the case on the disk.
  const typed = join(repositories(), repositoryName(typedPlace(directory)));
  return existsSync(typed) ? typed : location;
}

/**
 * Returns the absolute path of a directory without symlinks, with the upper and
 * lower case that the user typed. If the symlinks cannot be resolved, they stay
 * in the path.
 */
function typedPlace(directory: string): string {
  try {
    return realpathSync(directory);
  } catch {
    return resolve(directory);
  }
}

/** Returns whether a location is that of a default repository. */
export function isDefaultRepository(location: string): boolean {
  return dirname(location) === repositories();
}

/**
 * The repository that a command uses. For a default repository, also the
 * directory that the repository belongs to.
 */
export interface Standing {
  /** The location of the repository. */
  location: string;
  /**
   * The directory that the default repository belongs to, or `undefined` if
   * `--repo` or the environment names the repository.
   */
  project: string | undefined;
}

/**
 * Finds the repository for a directory. If `--repo` or the environment names a
 * repository, returns that repository. Otherwise, looks for a default
 * repository of the directory, then of its parent directory, and so on up to
 * the root, as git does. The default repositories of the home folder and of a
 * whole disk are used only if that folder or disk is the given directory. If no
 * default repository is found, returns the location of a new one for the given
 * directory.
 */
export function locateFrom(repo: string | undefined, place: string): Standing {
  const named = repo ?? process.env.DELTAR_REPOSITORY;
  if (named) return { location: locate(repo, place), project: undefined };
  const start = truePlace(place);
  for (let at = start;; at = dirname(at)) {
    const location = defaultRepository(at);
    if ((at === start || !isTooMuch(at)) && holdsRepository(location)) {
      return { location, project: at };
    }
    if (dirname(at) === at) break;
  }
  return { location: defaultRepository(start), project: start };
}

/**
 * Returns whether a folder looks like a repository: whether it contains
 * `deltar.json` or `snapshots`.
 */
export function holdsRepository(folder: string): boolean {
  return ["deltar.json", "snapshots"].some((name) =>
    existsSync(join(folder, name))
  );
}

/**
 * Returns the location that `--repo` or the environment names, or else the
 * location of a directory's default repository.
 */
export function locate(repo: string | undefined, directory: string): string {
  const named = repo ?? process.env.DELTAR_REPOSITORY;
  if (!named) return defaultRepository(absolute(directory));
  return isFolder(named) ? absolute(named) : named;
}

/**
 * Returns the name of the files and folders that deltar keeps for a location,
 * such as the cache. The name for a URL also depends on the S3 endpoints in the
 * environment.
 */
export function placeSum(location: string): string {
  return locationSum(location, process.env);
}
