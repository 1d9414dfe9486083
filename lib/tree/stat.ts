import { codeOf } from "../bytes/errors.ts";
import { fs } from "../bytes/node.ts";
import { loadNative, type Native } from "./native.ts";
import { toNodePath } from "./node_path.ts";
import { encodeNameInto } from "./raw_name.ts";
import {
  type FileStat,
  fromNodeStat,
  readStatx,
  splitTime,
  STATX_BYTES,
  toNodeTime,
} from "./statx.ts";

export { type FileStat, kindOf } from "./statx.ts";

let native: Native | undefined;
let isLoaded = false;
const pathBuffer = new Uint8Array(4097);
const statBuffer = new Uint8Array(STATX_BYTES);
const view = new DataView(statBuffer.buffer);

/**
 * Returns the state of the entry at a path. A symlink is not followed.
 *
 * @param path The path, in the syntax of the operating system.
 * @throws The error of `node:fs`, with its `code`, if the path does not exist
 * or the system refuses access.
 */
export function lstat(path: string): FileStat {
  const calls = nativeCalls();
  if (calls && encodePath(path) && calls.statx(pathBuffer, statBuffer)) {
    return readStatx(view);
  }
  return fromNodeStat(fs.lstatSync(toNodePath(path), { bigint: true }));
}

/**
 * Returns whether nothing exists at a path. A symlink is not followed.
 *
 * @param path The path, in the syntax of the operating system. It need not be
 * valid UTF-8.
 * @throws The error of `node:fs`, with its `code`, if the path cannot be
 * examined, for example because this process is not permitted to enter a folder
 * on the path.
 *
 * @example
 * ```ts
 * import { isAbsent } from "@deltar/deltar/tree";
 * import assert from "node:assert/strict";
 *
 * assert.equal(isAbsent("no/such/file"), true);
 * assert.equal(isAbsent("."), false);
 * ```
 */
export function isAbsent(path: string): boolean {
  try {
    lstat(path);
    return false;
  } catch (error) {
    const code = codeOf(error);
    // `ENOTDIR` means that a part of the path is a file.
    if (code === "ENOENT" || code === "ENOTDIR") return true;
    // If the system call fails, `lstat` calls `node:fs`, which in Deno refuses
    // every path that is not valid UTF-8. Its error does not show why the
    // system call failed, so the path counts as absent.
    if (!path.isWellFormed() && nativeCalls() !== undefined) return true;
    throw error;
  }
}

/**
 * Sets the access and modification times of the entry at a path. A symlink is
 * not followed. The precision is 1 ns where system calls are available (Deno
 * and Bun on Linux). Elsewhere, the time is passed to `node:fs` in seconds, as
 * a floating-point number with a precision of about 240 ns.
 *
 * @param path The path, in the syntax of the operating system.
 * @param mtime The time to set for both, in nanoseconds since 1970.
 * @throws The error of `node:fs`, with its `code`, if the times cannot be set.
 */
export function setTimes(path: string, mtime: bigint): void {
  const calls = nativeCalls();
  if (calls !== undefined && encodePath(path)) {
    const { seconds, nanos } = splitTime(mtime);
    const times = new BigInt64Array([seconds, nanos, seconds, nanos]);
    if (calls.utimensat(pathBuffer, times)) return;
  }
  const time = toNodeTime(mtime);
  fs.lutimesSync(toNodePath(path), time, time);
}

/**
 * Returns the system calls; `undefined` if they are not available. They are
 * loaded on first use, because many commands do not need them.
 */
function nativeCalls(): Native | undefined {
  if (!isLoaded) {
    native = loadNative();
    isLoaded = true;
  }
  return native;
}

/**
 * Writes the path and a final NUL into the buffer. Returns whether both fit and
 * the path itself contains no NUL.
 */
function encodePath(path: string): boolean {
  const length = encodeNameInto(path, pathBuffer);
  if (length === undefined || length === pathBuffer.length) return false;
  pathBuffer[length] = 0;
  return !path.includes("\0");
}
