import { fnv1a } from "../bytes/fnv1a.ts";
import { nodeOs, process } from "../bytes/node.ts";
import { codeOf, DeltarError } from "../bytes/errors.ts";
import { loadLibrary } from "../bytes/native_library.ts";

/**
 * The prefix of the names of files and folders that are being written. A killed
 * process leaves such files and folders behind. The name of an object never
 * begins with this prefix, and a walk excludes files and folders with such
 * names.
 */
export const STAGE_PREFIX = ".deltar-stage-";

/**
 * The age in milliseconds above which a file counts as abandoned if the process
 * that wrote the file is unknown, ran on another machine, or cannot be checked.
 */
const MAX_AGE_MS = 24 * 3_600_000;

const OWNED = /^\.deltar-stage-(p\d{1,10}-[0-9a-f]{8})-/;
const OWNER = /^p(\d{1,10})-([0-9a-f]{8})$/;

let count = 0;

/**
 * Returns a name for a file that is being written. The name identifies the
 * process and the machine, so that the files of a killed process can be
 * recognized.
 *
 * @param suffix The end of the name. Default: a number that this process uses
 *   only once.
 */
export function temporaryName(suffix: string = `${count++}`): string {
  return `${STAGE_PREFIX}${owner()}-${suffix}`;
}

/**
 * Returns whether a name has the form of the names that `temporaryName`
 * returns.
 */
export function isTemporaryName(name: string): boolean {
  return OWNED.test(name);
}

/** Returns a string that identifies this process and machine. */
export function owner(): string {
  return `p${process.pid}-${machine()}`;
}

/**
 * Returns the ID of the process that a string from `owner` identifies, or
 * `undefined` if the process is on another machine or the string is invalid.
 */
export function processOf(owner: string): number | undefined {
  const [, pid, where] = OWNER.exec(owner) ?? [];
  return where === machine() ? Number(pid) : undefined;
}

/**
 * Returns whether a file with a temporary name counts as abandoned: the process
 * that wrote the file has ended, or the file is more than a day old and the
 * process is unknown, ran on another machine, or cannot be checked. Returns
 * `false` if the name does not begin with `STAGE_PREFIX`.
 *
 * @param name The last segment of the path.
 * @param modified The modification time in milliseconds since 1970.
 * @param now The current time in milliseconds since 1970.
 */
export function isAbandoned(
  name: string,
  modified: number,
  now: number,
): boolean {
  if (!name.startsWith(STAGE_PREFIX)) return false;
  const owner = ownerOf(name);
  const runs = owner === undefined ? undefined : isRunning(owner);
  return runs === undefined ? now - modified > MAX_AGE_MS : !runs;
}

/**
 * Returns the ID of the process that a temporary name identifies, or
 * `undefined` if the name does not identify a process of this machine.
 */
export function ownerOf(name: string): number | undefined {
  const [, owner = ""] = OWNED.exec(name) ?? [];
  return processOf(owner);
}

/**
 * Returns whether a process of this machine is running, or `undefined` if the
 * runtime is not permitted to find out.
 */
export function isRunning(pid: number): boolean | undefined {
  if (pid === process.pid) return true;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    if (error instanceof DeltarError) return hasGroup(pid);
    // `EPERM` means that the process is running and belongs to another user.
    return codeOf(error) === "EPERM";
  }
}

/**
 * Returns whether a process is in a process group, as every running process is.
 * Returns `undefined` if the runtime cannot call `getpgid`. In Deno, no other
 * check of a process works without the permission to run programs.
 */
function hasGroup(pid: number): boolean | undefined {
  calls ??= loadLibrary({ getpgid: ["i32"] }) ?? null;
  return calls === null ? undefined : calls.getpgid(pid) >= 0;
}

let calls: { getpgid: (...words: unknown[]) => number } | null | undefined;

/**
 * Returns the FNV-1a hash of the machine's name, as eight hexadecimal digits.
 */
function machine(): string {
  return known ??= hashName();
}

let known: string | undefined;

function hashName(): string {
  const units = Array.from(hostname(), (char) => char.charCodeAt(0));
  return fnv1a(units).toString(16).padStart(8, "0");
}

/**
 * Returns the machine's name. If the runtime is not permitted to read the name,
 * returns a random name that no other process uses. Other processes then treat
 * the files of this process as files of another machine.
 */
function hostname(): string {
  try {
    return nodeOs.hostname();
  } catch (error) {
    if (error instanceof DeltarError) return crypto.randomUUID();
    throw error;
  }
}
