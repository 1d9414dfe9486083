import type { Folder } from "./folder.ts";
import { hasSystemCalls, openByCalls } from "./folder_by_calls.ts";
import { hasProc, openByPath, openByProc } from "./folder_by_paths.ts";

/**
 * A way to reach folders: by system calls on descriptors, by paths below
 * `/proc/self/fd`, or by plain paths.
 */
export type FolderAccess = "calls" | "proc" | "paths";

let chosen: FolderAccess | undefined;

/** Returns how folders are reached here: the safest way that there is. */
export function folderAccess(): FolderAccess {
  chosen ??= hasSystemCalls() ? "calls" : hasProc() ? "proc" : "paths";
  return chosen;
}

/**
 * Sets the way in which folders are reached, for tests.
 *
 * @param access The way; `undefined` for the one that is best here.
 * @returns Whether there is such a way here.
 */
export function useFolderAccess(access: FolderAccess | undefined): boolean {
  chosen = access;
  if (access === "calls") return hasSystemCalls();
  return access === "proc" ? hasProc() : true;
}

/**
 * Opens a folder by its path. Symlinks on this way are followed; below the
 * folder none is.
 *
 * @param place A path of the operating system.
 * @throws The error of the system, with its `code`.
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
