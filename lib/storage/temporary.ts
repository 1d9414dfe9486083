import { fnv1a } from "../bytes/fnv1a.ts";
import { nodeOs, process } from "../bytes/node.ts";
import { codeOf, DeltarError } from "../bytes/errors.ts";
import { loadLibrary } from "../bytes/native_library.ts";

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

/** Returns whether a name is exactly of the form that `temporaryName` gives. */
export function isTemporaryName(name: string): boolean {
  return OWNED.test(name);
}

/** A text that identifies this process and machine. */
export function owner(): string {
  return `p${process.pid}-${machine()}`;
}

/** The process of this machine that such a text tells of, if it does. */
export function processOf(owner: string): number | undefined {
  const [, pid, where] = OWNER.exec(owner) ?? [];
  return where === machine() ? Number(pid) : undefined;
}

/**
 * Returns whether nobody writes there any more: its process is gone, or it is of
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
  const runs = owner === undefined ? undefined : isRunning(owner);
  return runs === undefined ? now - modified > MAX_AGE_MS : !runs;
}

/** The process of this machine that a temporary name tells of. */
export function ownerOf(name: string): number | undefined {
  const [, owner = ""] = OWNED.exec(name) ?? [];
  return processOf(owner);
}

/**
 * Returns whether a process of this machine runs; `undefined` if this runtime
 * may not ask.
 */
export function isRunning(pid: number): boolean | undefined {
  if (pid === process.pid) return true;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    if (error instanceof DeltarError) return hasGroup(pid);
    // It runs, but is somebody else's.
    return codeOf(error) === "EPERM";
  }
}

/**
 * Returns whether a process is in a process group, as each that runs is. Deno
 * asks the system without its permission to run programs only by this way.
 */
function hasGroup(pid: number): boolean | undefined {
  calls ??= loadLibrary({ getpgid: ["i32"] }) ?? null;
  return calls === null ? undefined : calls.getpgid(pid) >= 0;
}

let calls: { getpgid: (...words: unknown[]) => number } | null | undefined;

/** The machine's name as eight hexadecimal digits (FNV-1a). */
function machine(): string {
  return known ??= hashName();
}

let known: string | undefined;

function hashName(): string {
  const units = Array.from(hostname(), (char) => char.charCodeAt(0));
  return fnv1a(units).toString(16).padStart(8, "0");
}

/**
 * The machine's name. Where this runtime may not ask for it, a name that no
 * other process has: then nobody takes what this one writes for abandoned.
 */
function hostname(): string {
  try {
    return nodeOs.hostname();
  } catch (error) {
    if (error instanceof DeltarError) return crypto.randomUUID();
    throw error;
  }
}
