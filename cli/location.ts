import { createHash } from "node:crypto";
import { existsSync, realpathSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { basename, join, resolve } from "node:path";
import process from "node:process";
import {
  type CodecName,
  type DamageHandler,
  DeltarError,
  LocalStorage,
  openStorage,
  Repository,
  type Storage,
  withCache,
} from "../mod.ts";
import { Console } from "./console.ts";

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
  return join(env[name] || join(homedir(), folder), "deltar");
}

/** Where this machine remembers what it saw of directories. */
export function cacheFolder(): string {
  return userFolder("cache");
}

/** The repository of a directory when none is named. */
export function defaultRepository(directory: string): string {
  const place = existsSync(directory)
    ? realpathSync(directory)
    : resolve(directory);
  const sum = createHash("sha256").update(place).digest("hex").slice(0, 8);
  const name = basename(place).replaceAll(/[^\w.-]/g, "_") || "root";
  return join(userFolder("data"), "repositories", `${name}-${sum}`);
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

/** The storage at a location. */
export function storageAt(location: string): Storage {
  const stat = isFolder(location)
    ? statSync(location, { throwIfNoEntry: false })
    : undefined;
  if (stat?.isFile()) {
    const what = "this is a file, and a repository is a folder";
    throw new DeltarError("unsupported", what, { object: location });
  }
  try {
    return openStorage(location, process.env);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new DeltarError("unsupported", error.message, { object: "--repo" });
  }
}

/** How to open a repository. */
interface OpenOptions {
  /** Told of settings that are lost or damaged. */
  onDamage?: DamageHandler;
  /** Ask the storage itself for everything. */
  fresh?: boolean;
}

/** Opens a repository that has to be there. */
export async function openRepository(
  repo: string | undefined,
  directory = ".",
  { onDamage = warn, fresh = false }: OpenOptions = {},
): Promise<Repository> {
  const location = locate(repo, directory);
  const storage = storageAt(location);
  const near = fresh ? storage : cached(location, storage);
  try {
    return await Repository.open(near, onDamage);
  } catch (error) {
    if (error instanceof DeltarError && error.code === "not-found") {
      throw new DeltarError(
        "not-found",
        "there is no repository here; `deltar snapshot` makes one, and " +
          "`--repo` names another place",
        { object: storage.location, cause: error },
      );
    }
    throw error;
  }
}

/** What can be restored is restored, settings or not. */
function warn(error: DeltarError): void {
  const next = "`deltar repair` writes the settings anew";
  new Console(false).warn(`${error.message}; ${next}`);
}

/**
 * Opens a repository, or makes one in a place that is empty or absent.
 *
 * @param codec How a new one compresses.
 */
export async function openOrCreate(
  location: string,
  codec?: CodecName,
): Promise<Repository> {
  const storage = storageAt(location);
  const near = cached(location, storage);
  try {
    return await Repository.open(near);
  } catch (error) {
    if (!(error instanceof DeltarError && error.code === "not-found")) {
      throw error;
    }
  }
  for await (const _ of storage.list()) {
    throw new DeltarError(
      "exists",
      "this place holds other things and no repository; name an empty one " +
        "or a new one",
      { object: storage.location },
    );
  }
  try {
    return await Repository.create(near, { codec });
  } catch (error) {
    if (!(error instanceof DeltarError && error.code === "exists")) throw error;
    // Another command was quicker.
    return await Repository.open(near);
  }
}

/** A storage that is far away, with a cache in the user's folder before it. */
function cached(location: string, storage: Storage): Storage {
  if (isFolder(location)) return storage;
  // Two services may have buckets of one name.
  const { AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL } = process.env;
  const place = [storage.location, AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL];
  const sum = createHash("sha256").update(JSON.stringify(place)).digest("hex");
  const folder = join(cacheFolder(), "objects", sum.slice(0, 16));
  return withCache(storage, new LocalStorage(folder));
}
