/**
 * The kind of an error, for programs:
 *
 * - `corrupt`: stored bytes are not what they should be (bad magic, length,
 *   checksum); nothing was written from them.
 * - `truncated`: an input ended before its own lengths said so.
 * - `unsupported`: well formed, but of a newer or unknown format.
 * - `unsafe`: obeying would write outside the target or follow a link.
 * - `limit`: a length or count is beyond what is accepted.
 * - `mismatch`: a basis or result is not the one that was expected.
 * - `not-found`: no such object, snapshot, path or volume.
 * - `exists`: it is there already and must not be replaced.
 * - `changed`: a file or folder changed while it was read or restored.
 * - `conflict`: other work on the repository took something away that this work
 *   builds on, or took it for dead; run it again.
 * - `io`: the operating system or a storage refused; see `cause`.
 * - `aborted`: the caller's signal fired.
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
  | "aborted";

/** The location of a fault. Each field is set if it is known. */
export interface ErrorPlace {
  /** The object, archive or file that is at fault. */
  object?: string;
  /** The path inside the tree, `/`-separated. */
  path?: string;
  /** The offset of the fault, in bytes from the start of `object`. */
  offset?: number;
  /** The error that led to this one. */
  cause?: unknown;
}

/**
 * The one error that deltar throws for what its callers can meet at run time:
 * bad input, absent objects, refused operations. Misuse of the API (a wrong
 * type, a value out of range) throws the built-in `TypeError` and `RangeError`.
 *
 * The message is a lower-case sentence that names the place.
 *
 * @example Tell kinds of fault apart
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
  /** The kind of fault. */
  readonly code: ErrorCode;
  /** The object, archive or file at fault, when known. */
  readonly object: string | undefined;
  /** The path inside the tree, when known. */
  readonly path: string | undefined;
  /** The offset in `object`, in bytes, when known. */
  readonly offset: number | undefined;

  /**
   * Makes an error; the place is woven into the message.
   *
   * @param code The kind of fault.
   * @param message What is wrong, without the place.
   * @param place Where it is.
   */
  constructor(code: ErrorCode, message: string, place: ErrorPlace = {}) {
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
 * Returns the code of a thrown value: that of a `DeltarError`, or of an error of
 * the operating system, such as `ENOENT`. It is `undefined` if there is none.
 */
export function codeOf(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null) return undefined;
  return "code" in error && typeof error.code === "string"
    ? error.code
    : undefined;
}

/** Returns the message of a thrown value, whatever was thrown. */
export function errorMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Called with the error of an object that cannot be read as it was stored. */
export type DamageHandler = (error: DeltarError) => void;

/** Returns whether an error tells of a stored object that is absent or damaged. */
export function isDamage(error: unknown): error is DeltarError {
  return error instanceof DeltarError &&
    ["corrupt", "truncated", "not-found", "unsafe", "limit"]
      .includes(error.code);
}

function describe(message: string, place: ErrorPlace): string {
  const where = [place.object, place.path].filter((part) => part !== undefined);
  const at = place.offset === undefined ? "" : ` (at byte ${place.offset})`;
  return [...where, message + at].join(": ");
}
