import { existsSync, realpathSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, isAbsolute, join, resolve } from "node:path";
import process from "node:process";
import { DeltarError, repositoryName, truePlace } from "../mod.ts";
import { nameSum } from "../shared/name_sum.ts";

/** The kinds of files that a system has the user's folders for. */
export type FolderKind = "data" | "cache" | "config" | "state";

/** Where a user's files of a kind are kept by custom of the system. */
export function userFolder(kind: FolderKind): string {
  const { env, platform } = process;
  if (platform === "win32") {
    const local = env.LOCALAPPDATA ?? join(homedir(), "AppData", "Local");
    return join(local, "deltar", kind);
  }
  if (platform === "darwin") {
    const folder = kind === "cache" ? "Caches" : "Application Support";
    const own = join(homedir(), "Library", folder, "deltar");
    return kind === "state" ? join(own, "state") : own;
  }
  const [name, folder] = {
    data: ["XDG_DATA_HOME", ".local/share"],
    cache: ["XDG_CACHE_HOME", ".cache"],
    config: ["XDG_CONFIG_HOME", ".config"],
    state: ["XDG_STATE_HOME", ".local/state"],
  }[kind];
  // The rules for these variables have a relative path ignored.
  const named = env[name] ?? "";
  const base = isAbsolute(named) ? named : resolve(homedir(), folder);
  return join(base, "deltar");
}

/** Where this machine remembers what it saw of directories. */
export function cacheFolder(): string {
  return userFolder("cache");
}

/**
 * The current directory. One that was deleted is still named by the shell, so
 * that the project which it was in can be found.
 *
 * @throws {DeltarError} `not-found` if it was deleted and nothing names it.
 */
export function currentDirectory(): string {
  try {
    return process.cwd();
  } catch (cause) {
    const { PWD = "" } = process.env;
    if (isAbsolute(PWD)) return PWD;
    throw new DeltarError(
      "not-found",
      "the current directory was deleted; change to another one",
      { cause },
    );
  }
}

/** The current directory, unless it was deleted. */
export function existingDirectory(): string | undefined {
  try {
    return process.cwd();
  } catch {
    return undefined;
  }
}

/** A path of the system that a user typed, as an absolute one. */
export function absolute(path: string): string {
  return isAbsolute(path) ? resolve(path) : resolve(currentDirectory(), path);
}

/** The folder of the repositories that nobody named. */
function repositories(): string {
  return join(userFolder("data"), "repositories");
}

/** The repository of a directory when none is named. */
export function defaultRepository(directory: string): string {
  const location = join(
    repositories(),
    repositoryName(truePlace(directory)),
  );
  if (existsSync(location)) return location;
  // Earlier versions went by the case of names in which they were typed.
  const typed = join(repositories(), repositoryName(typedPlace(directory)));
  return existsSync(typed) ? typed : location;
}

/** A path without symlinks, its names as they were typed. */
function typedPlace(directory: string): string {
  try {
    return realpathSync(directory);
  } catch {
    return resolve(directory);
  }
}

/** Whether a location is one that is used when none is named. */
export function isDefaultRepository(location: string): boolean {
  return dirname(location) === repositories();
}

/** Where the user works: a directory, or a folder of one. */
export interface Standing {
  /** The location of the repository. */
  location: string;
  /** The directory whose repository this is, if nobody named one. */
  project: string | undefined;
}

/**
 * The repository for a place that the user stands in: the one that `--repo` or
 * the environment names, else that of the innermost directory around the place
 * that has one, as git finds its own.
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
 * Returns the name of a directory too large to snapshot without being asked.
 */
export function isTooMuch(directory: string): string | undefined {
  const place = truePlace(directory);
  return place === dirname(place)
    ? "a whole disk"
    : place === truePlace(homedir())
    ? "a home folder"
    : undefined;
}

/** Whether a folder looks like a repository, be it damaged. */
export function holdsRepository(folder: string): boolean {
  return ["deltar.json", "snapshots"].some((name) =>
    existsSync(join(folder, name))
  );
}

/** Whether a location is a folder, and no address. */
export function isFolder(location: string): boolean {
  return !/^\w[\w+.-]+:\/\//.test(location);
}

/** The location that `--repo`, the environment or the directory names. */
export function locate(repo: string | undefined, directory: string): string {
  const named = repo ?? process.env.DELTAR_REPOSITORY;
  if (!named) return defaultRepository(absolute(directory));
  return isFolder(named) ? absolute(named) : named;
}

/**
 * Returns the identity of a location: two services may have buckets of one name.
 */
export function placeSum(location: string): string {
  const { AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL } = process.env;
  const place = isFolder(location)
    ? [location]
    : [location, AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL];
  return nameSum(JSON.stringify(place));
}
