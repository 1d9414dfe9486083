import { isAbsolute } from "node:path";
import { DeltarError } from "../mod.ts";
import { isInRepository, openedAt } from "./opened.ts";

/** A refusal of the system: the object, the reason, and advice. */
export interface Refusal {
  /** The action that failed, its location, and the cause. */
  message: string;
  /** Why alone. */
  why: string;
  /** The advice, as sentences. */
  next: string;
}

const CHECK = "Check the owner and mode, or choose another";
const FREE = "then run the same command again.";

/** Why a system refuses, and what to do, by its name for it. */
const REASONS: Readonly<Record<string, [why: string, next: string]>> = {
  EACCES: ["permission denied", CHECK],
  EPERM: ["operation not permitted", CHECK],
  EROFS: [
    "the file system is read-only",
    "Mount it for writing, or choose another",
  ],
  ENOSPC: ["the disk is full", `Free some space on it, ${FREE}`],
  EDQUOT: ["the quota is used up", `Free some of your space on it, ${FREE}`],
  ENOTDIR: ["part of the path is a file", "Choose another"],
  ENAMETOOLONG: ["the name or path is too long", "Choose a shorter one."],
  ELOOP: ["it leads through too many symlinks", "Choose another"],
  EIO: ["the disk fails", "Copy what matters to another one."],
};

/** Calls that change something; an `open` may be of a file to be written. */
const WRITING =
  /^(?:mkdir|rename|link|unlink|rm|rmdir|write|fsync|fdatasync|ftruncate|symlink|copyfile|f?chmod|f?chown|l?utimes?|futimes?|mkdtemp)/;

/** The prefix of names of files that are being written. */
const TEMPORARY = ".deltar-";

/** The error of a system, among an error and its causes. */
interface SystemError extends Error {
  code: string;
  syscall?: string;
  path?: string;
}

/** Returns the refusal of the system that an error is about, if any. */
export function refusalOf(error: unknown): Refusal | undefined {
  const cause = systemCause(error);
  if (cause === undefined) return undefined;
  const { code, syscall = "", message, path = "" } = cause;
  const [why, next] = REASONS[code];
  const isWrite = WRITING.test(syscall) || message.includes(TEMPORARY) ||
    /^(?:ENOSPC|EDQUOT|EROFS)$/.test(code);
  const place = placeOf(error, path);
  const what = isWrite ? place.isFile ? "write" : "write to" : "read";
  const other = place.isRepository ? "repository with --repo." : "directory.";
  return {
    message: `cannot ${what} ${place.name}: ${why}`,
    why,
    next: next.endsWith(".") ? next : `${next} ${other}`,
  };
}

/** An error's message for people; what a system refused is put in words. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return refusalOf(error)?.message ?? error.message;
}

function systemCause(error: unknown): SystemError | undefined {
  if (!(error instanceof Error)) return undefined;
  const isOurs = error instanceof DeltarError;
  if (!isOurs && Object.hasOwn(REASONS, (error as SystemError).code)) {
    return error as SystemError;
  }
  return isOurs && error.code !== "io" ? undefined : systemCause(error.cause);
}

/** Returns the object of an error, by a name that a user knows. */
function placeOf(
  error: unknown,
  path: string,
): { name: string; isRepository?: boolean; isFile?: boolean } {
  const { object = "", path: inner } = error instanceof DeltarError
    ? error
    : { path: undefined };
  const repositories = path === "" ? [] : openedAt(path);
  if (repositories.length === 1 || isInRepository(object)) {
    const names = repositories.length > 0 ? repositories : openedAt("");
    return { name: names.join(" or "), isRepository: true };
  }
  if (inner !== undefined) return { name: inner, isFile: true };
  const place = path || object;
  const at = place.indexOf(TEMPORARY);
  return {
    name: at > 1 ? place.slice(0, at - 1) : place,
    isFile: path === "" && !isAbsolute(place),
  };
}
