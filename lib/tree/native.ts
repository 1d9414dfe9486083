import { loadLibrary } from "../bytes/native_library.ts";

/**
 * System calls that read and set times in nanoseconds. Deno's `lstat` returns
 * milliseconds, and the `utimes` of every runtime takes a double, whose
 * precision is about 240 ns.
 */
export interface Native {
  /**
   * Fills `stat` with the `struct statx` of the entry at a path. The path must
   * end with a NUL, and a symlink is not followed. Returns whether the call
   * succeeded.
   */
  statx: (path: Uint8Array, stat: Uint8Array) => boolean;
  /**
   * Sets the access and modification times of the entry at a path to the two
   * `struct timespec` in `times`. The path must end with a NUL, and a symlink
   * is not followed. Returns whether the call succeeded.
   */
  utimensat: (path: Uint8Array, times: BigInt64Array<ArrayBuffer>) => boolean;
}

/**
 * The value that a call takes in place of a descriptor to refer to the current
 * folder (`fcntl.h`).
 */
export const AT_FDCWD = -100;
/** The flag that stops a call from following a symlink (`fcntl.h`). */
export const AT_SYMLINK_NOFOLLOW = 0x100;
/** The mask for all fields of `stat(2)` and the creation time (`sys/stat.h`). */
export const STATX_MASK = 0xfff;

/**
 * Returns the system calls, or `undefined` if the runtime or the system does
 * not have them.
 */
export function loadNative(): Native | undefined {
  const calls = loadLibrary({
    statx: ["i32", "buffer", "i32", "u32", "buffer"],
    utimensat: ["i32", "buffer", "buffer", "i32"],
  });
  return calls && {
    statx: (path, stat) =>
      calls.statx(
        AT_FDCWD,
        path,
        AT_SYMLINK_NOFOLLOW,
        STATX_MASK,
        stat,
      ) === 0,
    utimensat: (path, times) =>
      calls.utimensat(
        AT_FDCWD,
        path,
        new Uint8Array(times.buffer),
        AT_SYMLINK_NOFOLLOW,
      ) === 0,
  };
}
