/**
 * The kind of an error, for programs:
 *
 * - `corrupt`: stored bytes are invalid; for example, a length or checksum is
 *   wrong.
 * - `truncated`: an input is shorter than its format requires, or a requested
 *   range reaches beyond the end of an object.
 * - `unsupported`: an input has a newer or unknown format, a key or recipient
 *   is not valid, or the runtime, the file system or the storage lacks a needed
 *   feature.
 * - `unsafe`: the operation was refused because of the harm that it could do:
 *   it would write outside the target, follow a link, use a path or name that
 *   is invalid or that the system would change, trust another user's
 *   repository, remove the last key, or remove old snapshots although there are
 *   unusually many new ones or the newest one has unusually few files.
 * - `limit`: a length or count is larger than the maximum.
 * - `mismatch`: a basis, the result of a delta, a restored file, a directory,
 *   an object, a key or a repository is not the expected one.
 * - `not-found`: there is no such object, snapshot, path or volume, or no
 *   access key for a storage.
 * - `exists`: something with the given name already exists and must not be
 *   replaced, or another process is changing the directory or pruning the
 *   repository.
 * - `changed`: a file or folder changed while it was being read or restored,
 *   after it was read, or after the operation was planned.
 * - `conflict`: a concurrent operation on the repository removed an object that
 *   the failed operation needs, or wrongly concluded that the failed operation
 *   had stopped. Run the failed operation again.
 * - `io`: the operating system, the runtime or a storage refused a request or
 *   failed.
 * - `aborted`: the caller's signal fired.
 * - `key`: no key was given, or none of the given keys decrypts the content.
 */
export type ErrorCode =
  | "corrupt"
  | "truncated"
  | "unsupported"
  | "unsafe"
  | "limit"
  | "mismatch"
  | "not-found"
  | "exists"
  | "changed"
  | "conflict"
  | "io"
  | "aborted"
  | "key";

/** The location of a fault. Each field is set if its value is known. */
export interface ErrorContext {
  /** The object, archive or file that is at fault. */
  object?: string;
  /** The path inside the tree that is at fault, `/`-separated. */
  path?: string;
  /** The offset of the fault, in bytes from the start of `object`. */
  offset?: number;
  /** The error that led to this one. */
  cause?: unknown;
}

/**
 * The error that deltar throws for faults that its callers can encounter at run
 * time, such as bad input, missing objects and refused operations. Misuse of
 * the API (a wrong type, a value out of range) throws the built-in `TypeError`
 * and `RangeError`.
 *
 * The message contains the location of the fault: the object, the path and the
 * offset, if they are known.
 *
 * @example Get the kind and the location of a fault
 * ```ts
 * import { DeltarError } from "@deltar/deltar";
 * import assert from "node:assert/strict";
 *
 * const error = new DeltarError("corrupt", "bad magic", { object: "a.tgz", offset: 0 });
 * assert.equal(error.code, "corrupt");
 * assert.equal(error.message, "a.tgz: bad magic (at byte 0)");
 * ```
 */
export class DeltarError extends Error {
  /** The kind of the error. */
  readonly code: ErrorCode;
  /** The object, archive or file at fault, if it is known. */
  readonly object: string | undefined;
  /** The path inside the tree, if it is known. */
  readonly path: string | undefined;
  /** The offset in `object`, in bytes, if it is known. */
  readonly offset: number | undefined;

  /**
   * Makes an error. The location of the fault is added to the message.
   *
   * @param code The kind of error.
   * @param message The description of the fault, without the location.
   * @param place The location of the fault.
   */
  constructor(code: ErrorCode, message: string, place: ErrorContext = {}) {
    super(describe(message, place), { cause: place.cause });
    this.name = "DeltarError";
    this.code = code;
    this.object = place.object;
    this.path = place.path;
    this.offset = place.offset;
  }

  /** Returns the error's fields for `JSON.stringify`, without its cause. */
  toJSON(): Record<string, unknown> {
    const { name, code, message, object, path, offset } = this;
    return { name, code, message, object, path, offset };
  }
}

/**
 * Returns the code of a thrown value: the code of a `DeltarError`, or of an
 * error of the operating system, such as `ENOENT`. Returns `undefined` if the
 * value has no code that is a string.
 */
export function codeOf(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null) return undefined;
  return "code" in error && typeof error.code === "string"
    ? error.code
    : undefined;
}

/**
 * Returns the message of a thrown error, or any other thrown value as a string.
 */
export function errorMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/**
 * Called when an object is found to be missing or damaged, with the error that
 * reports the damage.
 */
export type DamageHandler = (error: DeltarError) => void;

/**
 * Returns whether an error means that a stored object is missing or damaged.
 */
export function isDamage(error: unknown): error is DeltarError {
  return error instanceof DeltarError &&
    ["corrupt", "truncated", "not-found", "unsafe", "limit"]
      .includes(error.code);
}

function describe(message: string, place: ErrorContext): string {
  const where = [place.object, place.path].filter((part) => part !== undefined);
  const at = place.offset === undefined ? "" : ` (at byte ${place.offset})`;
  return [...where, message + at].join(": ");
}
