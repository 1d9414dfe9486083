import { createHash } from "node:crypto";
import { existsSync, realpathSync } from "node:fs";
import { homedir } from "node:os";
import { basename, join, resolve } from "node:path";
import process from "node:process";
import {
  type DamageHandler,
  DeltarError,
  LocalStorage,
  Repository,
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

/** The location that `--repo`, the environment or the directory names. */
export function locate(repo: string | undefined, directory: string): string {
  const named = repo ?? process.env.DELTAR_REPOSITORY;
  return named ? resolve(named) : defaultRepository(directory);
}

/**
 * Opens a repository that has to be there.
 *
 * @param onDamage Told of settings that are lost or damaged.
 */
export async function openRepository(
  repo: string | undefined,
  directory = ".",
  onDamage: DamageHandler = warn,
): Promise<Repository> {
  const location = locate(repo, directory);
  try {
    return await Repository.open(new LocalStorage(location), onDamage);
  } catch (error) {
    if (error instanceof DeltarError && error.code === "not-found") {
      throw new DeltarError(
        "not-found",
        "there is no repository here; `deltar snapshot` makes one, and " +
          "`--repo` names another place",
        { object: location, cause: error },
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

/** Opens a repository, or makes one in a folder that is empty or absent. */
export async function openOrCreate(location: string): Promise<Repository> {
  const storage = new LocalStorage(location);
  if (existsSync(join(location, "deltar.json"))) {
    return await Repository.open(storage);
  }
  for await (const _ of storage.list()) {
    throw new DeltarError(
      "exists",
      "this folder holds other things and no repository; name an empty one " +
        "or a new one with `--repo`",
      { object: location },
    );
  }
  try {
    return await Repository.create(storage);
  } catch (error) {
    if (!(error instanceof DeltarError && error.code === "exists")) throw error;
    // Another command was quicker.
    return await Repository.open(storage);
  }
}
