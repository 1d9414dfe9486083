import { process } from "../bytes/node.ts";

/** The system, as `process.platform` names it; empty in a browser. */
export const PLATFORM: string = process?.platform ?? "";

/** Returns whether this process may read and change every user's files. */
export function isSuperuser(): boolean {
  return process.geteuid?.() === 0;
}

/** Returns the user and group that own new files. */
export function ownIds(): { uid: number; gid: number } {
  return { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 };
}
