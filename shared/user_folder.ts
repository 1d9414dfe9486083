import { homedir } from "node:os";
import { isAbsolute, join, resolve } from "node:path";
import process from "node:process";

/** A kind of folder in which deltar keeps a user's files. */
export type FolderKind = "data" | "cache" | "config" | "state";

/**
 * Returns the folder in which deltar keeps this user's files of the given kind,
 * according to the conventions of the system.
 */
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
  // The XDG specification says to ignore relative paths.
  const named = env[name] ?? "";
  const base = isAbsolute(named) ? named : resolve(homedir(), folder);
  return join(base, "deltar");
}

/**
 * Returns the path of the file with the age identities of this user. The file
 * need not exist.
 */
export function identityFile(): string {
  return process.env.DELTAR_IDENTITY ||
    join(userFolder("config"), "identity");
}

/** Returns a path in which a leading `~` is replaced by the home folder. */
export function expandHome(path: string): string {
  const isHome = path === "~" || path.startsWith("~/") ||
    process.platform === "win32" && path.startsWith("~\\");
  return isHome ? homedir() + path.slice(1) : path;
}
