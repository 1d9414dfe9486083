import { loadLibrary } from "../bytes/native_library.ts";

/**
 * Times to the nanosecond. Deno's `lstat` gives milliseconds only, and no
 * runtime's `utimes` takes more than a double holds (about 240 ns).
 */
export interface Native {
  /** Fills `stat` with a `struct statx` (Linux); whether it worked. */
  statx: (path: Uint8Array, stat: Uint8Array) => boolean;
  /** Sets access and modification time; whether it worked. */
  utimensat: (path: Uint8Array, times: BigInt64Array<ArrayBuffer>) => boolean;
}

/** To take a path from the current folder (`fcntl.h`). */
export const AT_FDCWD = -100;
/** Not to follow a symlink (`fcntl.h`). */
export const AT_SYMLINK_NOFOLLOW = 0x100;
/** All that `stat(2)` knows (`sys/stat.h`). */
export const STATX_BASIC_STATS = 0x7ff;

/** The calls, or `undefined` where the runtime or the system has them not. */
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
        STATX_BASIC_STATS,
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
