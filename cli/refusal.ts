import { isAbsolute } from "node:path";
import { DeltarError } from "../mod.ts";
import { codeOf } from "../shared/error_code.ts";
import {
  SYSTEM_ERRORS,
  type SystemErrorText,
} from "../shared/system_errors.ts";
import { isStored, type OpenedRepositories } from "./opened.ts";

/** A description of an error of the operating system. */
export interface Refusal {
  /** The failed action, the path or repository, and the reason. */
  message: string;
  /** The reason. */
  why: string;
  /** The advice, as sentences. */
  next: string;
}

const AGAIN = "then run the same command again.";

/**
 * The whole advice for some errors, by error code. The advice for every other
 * error ends with the suggestion to choose another repository or directory.
 */
const ADVICE: Readonly<Record<string, string>> = {
  ENOSPC: `${SYSTEM_ERRORS.ENOSPC.remedy}, ${AGAIN}`,
  EDQUOT: `${SYSTEM_ERRORS.EDQUOT.remedy}, ${AGAIN}`,
  ENAMETOOLONG: "Choose a shorter path.",
  EIO: "Copy your files to another disk.",
};

/** The pattern of the names of system calls that change files. */
const WRITING =
  /^(?:mkdir|rename|link|unlink|rm|rmdir|write|fsync|fdatasync|ftruncate|symlink|copyfile|f?chmod|f?chown|l?utimes?|futimes?|mkdtemp)/;

/** The beginning of the names of deltar's temporary files and folders. */
const TEMPORARY = ".deltar-";

/** An error of the operating system. */
interface SystemError extends Error {
  code: keyof typeof SYSTEM_ERRORS;
  syscall?: string;
  path?: string;
}

/**
 * Returns the system error that caused an error, in words. Returns `undefined`
 * if no system error in `SYSTEM_ERRORS` caused the error, or if the system
 * error is wrapped in a `DeltarError` with a code other than `io`.
 */
export function refusalOf(
  error: unknown,
  opened: OpenedRepositories,
): Refusal | undefined {
  const cause = systemCause(error);
  if (cause === undefined) return undefined;
  const { code, syscall = "", message, path = "" } = cause;
  const { reason: why, remedy }: SystemErrorText = SYSTEM_ERRORS[code];
  const isWrite = WRITING.test(syscall) || message.includes(TEMPORARY) ||
    /^(?:ENOSPC|EDQUOT|EROFS)$/.test(code);
  const place = placeOf(error, path, opened);
  const what = isWrite ? place.isFile ? "write" : "write to" : "read";
  const other = place.isRepository ? "repository with --repo." : "directory.";
  return {
    message: `cannot ${what} ${place.name}: ${why}`,
    why,
    next: ADVICE[code] ??
      `${remedy ? `${remedy}, or choose` : "Choose"} another ${other}`,
  };
}

/** Returns the reason why a file of the user cannot be read or run. */
export function reasonOf(error: unknown): string {
  const code = codeOf(error) ?? "";
  if (code === "ENOENT") return "no such file";
  if (code === "EISDIR") return "not a file but a directory";
  const cause = systemCause(error);
  return cause === undefined
    ? (error as Error).message
    : SYSTEM_ERRORS[cause.code].reason;
}

/**
 * Returns the message of `refusalOf` for an error that `refusalOf` explains,
 * and the error's own message for any other error.
 */
export function messageOf(
  error: unknown,
  opened: OpenedRepositories,
): string {
  if (!(error instanceof Error)) return String(error);
  return refusalOf(error, opened)?.message ?? error.message;
}

/**
 * Returns the location of the repository that the object of an error is in. If
 * several repositories are open, returns all of their locations, joined by
 * `or`. Returns `undefined` if the error has no such object, or if its message
 * already contains one of the locations.
 */
export function repositoryOf(
  error: unknown,
  { locations }: OpenedRepositories,
): string | undefined {
  if (!(error instanceof DeltarError)) return undefined;
  const { object = "", message } = error;
  if (!isStored(object) || locations.length === 0) return undefined;
  if (locations.some((location) => message.includes(location))) {
    return undefined;
  }
  return locations.join(" or ");
}

function systemCause(error: unknown): SystemError | undefined {
  if (!(error instanceof Error)) return undefined;
  const isOurs = error instanceof DeltarError;
  if (!isOurs && Object.hasOwn(SYSTEM_ERRORS, (error as SystemError).code)) {
    return error as SystemError;
  }
  return isOurs && error.code !== "io" ? undefined : systemCause(error.cause);
}

/**
 * Returns the path or repository to name in the message about an error, and
 * whether it is a repository or a file.
 */
function placeOf(
  error: unknown,
  path: string,
  opened: OpenedRepositories,
): { name: string; isRepository?: boolean; isFile?: boolean } {
  const { object = "", path: inner } = error instanceof DeltarError
    ? error
    : { path: undefined };
  const repositories = path === "" ? [] : opened.around(path);
  if (repositories.length === 1 || opened.holds(object)) {
    const names = repositories.length > 0 ? repositories : opened.locations;
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
