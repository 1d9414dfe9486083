import { DOS_ATTRIBUTES, dosAttributes } from "./dos_attributes.ts";
import { isSpecialKind } from "./entry.ts";
import type { Folder } from "./folder.ts";
import {
  hasSpecialCall,
  hasSystemCalls,
  openByCalls,
} from "./folder_by_calls.ts";
import {
  hasProc,
  openByPath,
  openByProc,
  takesBytes,
} from "./folder_by_paths.ts";
import type { FileStat } from "./statx.ts";
import { isSuperuser } from "./this_system.ts";

/**
 * A way to reach folders: by system calls on descriptors, by paths below
 * `/proc/PID/fd`, or by plain paths.
 */
export type FolderAccess = "calls" | "proc" | "paths";

let chosen: FolderAccess | undefined;
let isMounted: boolean | undefined;

/** Returns the safest available way to reach folders. */
export function folderAccess(): FolderAccess {
  chosen ??= hasSystemCalls() ? "calls" : hasProc() ? "proc" : "paths";
  return chosen;
}

/**
 * Returns whether extended attributes can be read and written. On Linux, they
 * are accessed by system calls, some of which need `/proc`. On Windows, only
 * the attribute {@linkcode DOS_ATTRIBUTES} can be used.
 */
export function canUseXattrs(): boolean {
  return folderAccess() === "calls"
    ? isMounted ??= hasProc()
    : dosAttributes() !== undefined;
}

/** Returns whether an extended attribute with this name can be set. */
export function canUseXattr(name: string): boolean {
  return canUseXattrs() &&
    (dosAttributes() === undefined || name === DOS_ATTRIBUTES);
}

/**
 * Returns whether names and targets of symlinks that are not valid UTF-8 can be
 * used. This is possible on Linux with Node or Bun, and with Deno if Deno has
 * the permission for foreign functions.
 */
export function canUseRawNames(): boolean {
  const access = folderAccess();
  return access === "calls" || access === "proc" && takesBytes();
}

/**
 * Sets the way in which folders are reached. Only tests call this function.
 *
 * @param access The way; `undefined` for the safest one that is available.
 * @returns Whether this way is available.
 */
export function useFolderAccess(access: FolderAccess | undefined): boolean {
  chosen = access;
  if (access === "calls") return hasSystemCalls();
  return access === "proc" ? hasProc() : true;
}

/**
 * Returns a description of an entry that this process cannot create, such as
 * `a device, which only root can create`; `undefined` if this process can
 * create the entry.
 *
 * @param kind The kind of the entry.
 */
export function whyNotMade(kind: FileStat["kind"]): string | undefined {
  if (kind === "special") {
    return "a socket or an unknown kind of entry";
  }
  if (!isSpecialKind(kind)) return undefined;
  const what = kind === "fifo" ? "a named pipe" : "a device";
  if (folderAccess() !== "calls" || !hasSpecialCall()) {
    return `${what}, which this runtime cannot create; use Deno or Bun on Linux`;
  }
  const isAllowed = kind === "fifo" || isSuperuser();
  return isAllowed ? undefined : `${what}, which only root can create`;
}

/**
 * Opens a folder by its path. Symlinks on this path are followed. Symlinks
 * below the folder are not.
 *
 * @param place The path, in the syntax of the operating system.
 * @throws The error of the system, with its `code`, if the folder cannot be
 * opened.
 */
export function openFolder(place: string): Folder {
  switch (folderAccess()) {
    case "calls":
      return openByCalls(place);
    case "proc":
      return openByProc(place);
    case "paths":
      return openByPath(place);
  }
}
