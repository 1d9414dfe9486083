import { process } from "../bytes/node.ts";

/** The system, as `process.platform` names it; empty in a browser. */
export const PLATFORM: string = process?.platform ?? "";

/** Whether this process may do what it likes with every user's files. */
export function isSuperuser(): boolean {
  return process.geteuid?.() === 0;
}

/** The user and group that new files belong to. */
export function ownIds(): { uid: number; gid: number } {
  return { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 };
}
