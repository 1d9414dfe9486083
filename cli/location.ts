import { createHash } from "node:crypto";
import { readlinkSync, realpathSync } from "node:fs";
import { homedir } from "node:os";
import { basename, dirname, isAbsolute, join, resolve } from "node:path";
import process from "node:process";
import { repositoryName } from "../mod.ts";

/** Where a user's files of a kind are kept by custom of the system. */
export function userFolder(kind: "data" | "cache" | "config"): string {
  const { env, platform } = process;
  if (platform === "win32") {
    const local = env.LOCALAPPDATA ?? join(homedir(), "AppData", "Local");
    return join(local, "deltar", kind);
  }
  if (platform === "darwin") {
    const folder = kind === "cache" ? "Caches" : "Application Support";
    return join(homedir(), "Library", folder, "deltar");
  }
  const [name, folder] = {
    data: ["XDG_DATA_HOME", ".local/share"],
    cache: ["XDG_CACHE_HOME", ".cache"],
    config: ["XDG_CONFIG_HOME", ".config"],
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

/** The repository of a directory when none is named. */
export function defaultRepository(directory: string): string {
  const place = realPlace(directory);
  return join(userFolder("data"), "repositories", repositoryName(place));
}

/** How many symlinks one path may lead through. */
const LINKS = 40;

/** Where a path leads when its symlinks are followed, be it there or not. */
export function realPlace(path: string, links = LINKS): string {
  const place = resolve(path);
  const parent = dirname(place);
  try {
    return realpathSync(place);
  } catch (error) {
    const { code } = error as { code?: string };
    if (code !== "ENOENT" || parent === place || links === 0) return place;
  }
  const target = linkTarget(place);
  return target === undefined
    ? join(realPlace(parent, links), basename(place))
    : realPlace(resolve(realPlace(parent), target), links - 1);
}

function linkTarget(place: string): string | undefined {
  try {
    return readlinkSync(place);
  } catch {
    return undefined;
  }
}

/** Whether a location is a folder, and no address. */
export function isFolder(location: string): boolean {
  return !/^\w[\w+.-]+:\/\//.test(location);
}

/** The location that `--repo`, the environment or the directory names. */
export function locate(repo: string | undefined, directory: string): string {
  const named = repo ?? process.env.DELTAR_REPOSITORY;
  if (!named) return defaultRepository(directory);
  return isFolder(named) ? resolve(named) : named;
}

/** What tells a place from others: two services may have buckets of one name. */
export function placeSum(location: string): string {
  const { AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL } = process.env;
  const place = isFolder(location)
    ? [location]
    : [location, AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL];
  const sum = createHash("sha256").update(JSON.stringify(place)).digest("hex");
  return sum.slice(0, 16);
}
