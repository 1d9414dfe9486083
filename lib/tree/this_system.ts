import { process } from "../bytes/node.ts";

/** The system, as `process.platform` names it; empty in a browser. */
export const PLATFORM: string = process?.platform ?? "";

/** Returns whether this process runs as root. Returns `false` on Windows. */
export function isSuperuser(): boolean {
  return process.geteuid?.() === 0;
}

/**
 * Returns the IDs of the user and group of this process, which usually own new
 * files. Both IDs are 0 on Windows.
 */
export function ownIds(): { uid: number; gid: number } {
  return { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 };
}
