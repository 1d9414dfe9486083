import { nodeOs, process } from "../bytes/node.ts";

/**
 * The beginning of the names of files and folders that are being written and may
 * be left behind. No object has such a name, and a walk leaves them out.
 */
export const STAGE_PREFIX = ".deltar-stage-";

/**
 * The age at which a file of another machine counts as abandoned, in
 * milliseconds.
 */
const MAX_AGE_MS = 24 * 3_600_000;

const OWNED = /^\.deltar-stage-(p\d{1,10}-[0-9a-f]{8})-/;
const OWNER = /^p(\d{1,10})-([0-9a-f]{8})$/;

let count = 0;

/**
 * A new name for what is being written: it tells the process and the machine,
 * so that what a killed process left is known as such.
 *
 * @param suffix What the name ends in. Default: a number.
 */
export function temporaryName(suffix: string = `${count++}`): string {
  return `${STAGE_PREFIX}${owner()}-${suffix}`;
}

/** Whether a name is exactly of the form that `temporaryName` gives. */
export function isTemporaryName(name: string): boolean {
  return OWNED.test(name);
}

/** This process and machine, in a text for others to tell by. */
export function owner(): string {
  return `p${process.pid}-${machine()}`;
}

/** The process of this machine that such a text tells of, if it does. */
export function processOf(owner: string): number | undefined {
  const [, pid, where] = OWNER.exec(owner) ?? [];
  return where === machine() ? Number(pid) : undefined;
}

/**
 * Whether nobody writes there any more: its process is gone, or it is of
 * another machine, or of no known one, and a day old. What this process wrote
 * is never abandoned.
 *
 * @param name The last segment of a path.
 * @param modified When it was modified, in milliseconds since 1970.
 * @param now The time, in milliseconds since 1970.
 */
export function isAbandoned(
  name: string,
  modified: number,
  now: number,
): boolean {
  if (!name.startsWith(STAGE_PREFIX)) return false;
  const owner = ownerOf(name);
  return owner === undefined ? now - modified > MAX_AGE_MS : !isRunning(owner);
}

/** The process of this machine that a temporary name tells of. */
export function ownerOf(name: string): number | undefined {
  const [, owner = ""] = OWNED.exec(name) ?? [];
  return processOf(owner);
}

/** Whether a process of this machine runs. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // It runs, but is somebody else's.
    return (error as { code?: string }).code === "EPERM";
  }
}

/** The machine's name as eight hexadecimal digits (FNV-1a). */
function machine(): string {
  return known ??= hashName();
}

let known: string | undefined;

function hashName(): string {
  let sum = 0x811c9dc5;
  for (const char of nodeOs.hostname()) {
    sum = Math.imul(sum ^ char.charCodeAt(0), 0x01000193);
  }
  return (sum >>> 0).toString(16).padStart(8, "0");
}
