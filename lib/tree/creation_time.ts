import { loadSystemCalls } from "../bytes/native_library.ts";
import { nodePath } from "../bytes/node.ts";
import { splitTime } from "./statx.ts";
import { asWideText, attributeList, FSOPT_NOFOLLOW } from "./system_forms.ts";
import { PLATFORM } from "./this_system.ts";

/**
 * A function that sets the creation time of the entry at a path, and returns
 * whether the system has set the time. A symlink is not followed.
 *
 * @param path The path, in the syntax of the operating system.
 * @param btime The time, in nanoseconds since 1970.
 */
export type CreationTimeSetter = (path: string, btime: bigint) => boolean;

/**
 * Returns the function that sets creation times. The function is available in
 * Deno and Bun on Windows and macOS. Linux has no call that sets creation
 * times.
 *
 * @returns The function, or `undefined` if the system or the runtime cannot set
 * creation times.
 */
export function creationTimeSetter(): CreationTimeSetter | undefined {
  if (!isLoaded) {
    setter = PLATFORM === "win32"
      ? loadForWindows()
      : PLATFORM === "darwin"
      ? loadForMac()
      : undefined;
    isLoaded = true;
  }
  return setter;
}

let setter: CreationTimeSetter | undefined;
let isLoaded = false;

/** The right to change the times and attributes of a file (`winnt.h`). */
const FILE_WRITE_ATTRIBUTES = 0x100;
/**
 * The flags that let other programs read, write and delete the file while it is
 * open (`winnt.h`).
 */
const FILE_SHARE_ALL = 7;
/** The option to open a file only if it exists (`fileapi.h`). */
const OPEN_EXISTING = 3;
/**
 * The flags for opening folders, and for opening a symlink instead of its
 * target (`winbase.h`).
 */
const OPEN_ANY_KIND = 0x0200_0000 | 0x0020_0000;
/** The value that `CreateFileW` returns if it cannot open the file. */
const INVALID_HANDLE = 2n ** 64n - 1n;

/**
 * Returns a setter that calls `SetFileTime` of `kernel32.dll` on Windows, or
 * `undefined` if the runtime cannot call functions of this library.
 */
function loadForWindows(): CreationTimeSetter | undefined {
  const calls = loadSystemCalls("win32", "kernel32.dll", {
    GetFileAttributesW: ["buffer"],
    SetFileAttributesW: ["buffer", "u32"],
    CreateFileW: ["buffer", "u32", "u32", "u64", "u32", "u32", "u64"],
    SetFileTime: ["u64", "buffer", "u64", "u64"],
    CloseHandle: ["u64"],
  });
  return calls && ((path, btime) => {
    const time = asFileTime(btime);
    if (time === undefined) return false;
    const name = asWideText(nodePath.toNamespacedPath(path));
    const attributes = calls.GetFileAttributesW(name);
    const handle = BigInt(calls.CreateFileW(
      name,
      FILE_WRITE_ATTRIBUTES,
      FILE_SHARE_ALL,
      0n,
      OPEN_EXISTING,
      OPEN_ANY_KIND,
      0n,
    ));
    if (handle === INVALID_HANDLE) return false;
    try {
      return calls.SetFileTime(handle, time, 0n, 0n) !== 0;
    } finally {
      calls.CloseHandle(handle);
      // When a file's time is set, Wine removes the file's attributes, so the
      // attributes are set again.
      if (calls.GetFileAttributesW(name) !== attributes) {
        calls.SetFileAttributesW(name, attributes >>> 0);
      }
    }
  });
}

/** The bit for the creation time in the field `commonattr` (`sys/attr.h`). */
const ATTR_CMN_CRTIME = 0x200;

/**
 * Returns a setter that calls `setattrlist` of the system library on macOS, or
 * `undefined` if the runtime cannot call functions of this library.
 */
function loadForMac(): CreationTimeSetter | undefined {
  const calls = loadSystemCalls("darwin", "/usr/lib/libSystem.B.dylib", {
    setattrlist: ["buffer", "buffer", "buffer", "u64", "u32"],
  });
  const attributes = attributeList(ATTR_CMN_CRTIME);
  return calls && ((path, btime) => {
    const text = new TextEncoder().encode(`${path}\0`);
    const time = asTimespec(btime);
    const { setattrlist } = calls;
    const size = BigInt(time.length);
    return setattrlist(text, attributes, time, size, FSOPT_NOFOLLOW) === 0;
  });
}

/**
 * Returns a time as the 16 bytes of a `struct timespec`.
 *
 * @param time The time, in nanoseconds since 1970.
 */
export function asTimespec(time: bigint): Uint8Array {
  const { seconds, nanos } = splitTime(time);
  const view = new DataView(new ArrayBuffer(16));
  view.setBigInt64(0, seconds, true);
  view.setBigInt64(8, nanos, true);
  return new Uint8Array(view.buffer);
}

/** The time from the start of 1601 to the start of 1970, in units of 100 ns. */
const TICKS_TO_1970 = 116_444_736_000_000_000n;

/**
 * Returns a time as a `FILETIME` of Windows, which counts units of 100 ns since
 * 1601.
 *
 * @param time The time, in nanoseconds since 1970.
 * @returns The eight bytes, or `undefined` if the time is not after the
 * beginning of 1601 or is too late for a `FILETIME`.
 */
export function asFileTime(time: bigint): Uint8Array | undefined {
  const rest = time % 100n;
  const ticks = (time - (rest < 0n ? rest + 100n : rest)) / 100n +
    TICKS_TO_1970;
  if (ticks <= 0n || ticks >= 2n ** 63n) return undefined;
  const view = new DataView(new ArrayBuffer(8));
  view.setBigInt64(0, ticks, true);
  return new Uint8Array(view.buffer);
}
