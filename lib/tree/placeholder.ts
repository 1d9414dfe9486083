import { loadSystemCalls } from "../bytes/native_library.ts";
import { nodePath } from "../bytes/node.ts";
import { asWideText, attributeList, FSOPT_NOFOLLOW } from "./system_forms.ts";
import { PLATFORM } from "./this_system.ts";

/**
 * A function that returns whether the file at a path is a placeholder. The
 * content of a placeholder is only in the cloud, and the system downloads the
 * content when the file is read. The function does not open the file, so the
 * content is not downloaded.
 *
 * @param path The path, in the syntax of the operating system.
 */
export type PlaceholderTest = (path: string) => boolean;

/**
 * The flag that macOS sets if the content of a file is not on the disk
 * (`SF_DATALESS` in `sys/stat.h`).
 */
const SF_DATALESS = 0x4000_0000;
/**
 * The attributes that mark a placeholder on Windows (`winnt.h`): `OFFLINE`,
 * `RECALL_ON_OPEN` and `RECALL_ON_DATA_ACCESS`. A placeholder has at least one
 * of them.
 */
const RECALLED = 0x1000 | 0x4_0000 | 0x40_0000;
/** The value that `GetFileAttributesW` returns if it fails (`fileapi.h`). */
const INVALID_ATTRIBUTES = 0xffff_ffff;

/**
 * Returns whether a file with these flags is a placeholder.
 *
 * @param flags On macOS, `st_flags`; on Windows, the file's attributes.
 * @param platform The system, as `process.platform` names it.
 */
export function isPlaceholder(flags: number, platform: string): boolean {
  switch (platform) {
    case "darwin":
      return (flags & SF_DATALESS) !== 0;
    case "win32":
      return flags !== INVALID_ATTRIBUTES && (flags & RECALLED) !== 0;
    default:
      return false;
  }
}

/**
 * Returns the function that recognizes placeholders. The function is available
 * in Deno and Bun on Windows and macOS.
 *
 * @returns The function, or `undefined` if the system has no placeholders or
 * the runtime cannot recognize them.
 */
export function placeholderTest(): PlaceholderTest | undefined {
  if (!isLoaded) {
    const flagsOf = PLATFORM === "win32"
      ? loadForWindows()
      : PLATFORM === "darwin"
      ? loadForMac()
      : undefined;
    test = flagsOf && ((path) => isPlaceholder(flagsOf(path), PLATFORM));
    isLoaded = true;
  }
  return test;
}

let test: PlaceholderTest | undefined;
let isLoaded = false;

/**
 * Returns a function that reads the attributes of a path on Windows;
 * `undefined` if the system call is not available.
 */
function loadForWindows(): ((path: string) => number) | undefined {
  const calls = loadSystemCalls("win32", "kernel32.dll", {
    GetFileAttributesW: ["buffer"],
  });
  return calls && ((path) => {
    const text = asWideText(nodePath.toNamespacedPath(path));
    return calls.GetFileAttributesW(text) >>> 0;
  });
}

/** The bit for `st_flags` in the field `commonattr` (`sys/attr.h`). */
const ATTR_CMN_FLAGS = 0x4_0000;

/**
 * Returns a function that reads the `st_flags` of a path on macOS; `undefined`
 * if the system call is not available.
 */
function loadForMac(): ((path: string) => number) | undefined {
  const calls = loadSystemCalls("darwin", "/usr/lib/libSystem.B.dylib", {
    getattrlist: ["buffer", "buffer", "buffer", "u64", "u32"],
  });
  const attributes = attributeList(ATTR_CMN_FLAGS);
  return calls && ((path) => {
    const text = new TextEncoder().encode(`${path}\0`);
    // The first four bytes are the length of the result. The flags follow.
    const found = new Uint8Array(8);
    const size = BigInt(found.length);
    const { getattrlist } = calls;
    return getattrlist(text, attributes, found, size, FSOPT_NOFOLLOW) === 0
      ? new DataView(found.buffer).getUint32(4, true)
      : 0;
  });
}
