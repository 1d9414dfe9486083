import { fs, process } from "../bytes/node.ts";
import { overlap } from "../bytes/overlap.ts";
import { syncFolder } from "../storage/local.ts";
import { fileError } from "./file.ts";
import { AT_FDCWD } from "./native.ts";
import { loadLibrary } from "../bytes/native_library.ts";
import { lstat } from "./stat.ts";

/** The number of files that are flushed at once where each has to be. */
const AT_ONCE = 64;

/**
 * Flushes to the disk what was written into a tree: the content of files, their
 * state and their names. On Linux, Deno and Bun ask each file system
 * once; elsewhere every file and folder is flushed by itself. A file that its
 * owner may not read cannot be; it is to be flushed when it is written.
 *
 * @param folders The folders in which anything changed, the root among them,
 * as paths of the operating system.
 * @param files The files that were written. Those that are gone are passed over.
 * @throws {DeltarError} `io` if the disk did not take what was written.
 */
export async function syncTree(
  folders: readonly string[],
  files: readonly string[],
): Promise<void> {
  if (syncFileSystems(folders)) return;
  await overlap(files, AT_ONCE, syncFile);
  for (const folder of folders) {
    await Promise.resolve();
    attempt(folder, () => syncFolder(folder));
  }
}

/** Flushes each file system that folders lie on; whether there is a call. */
function syncFileSystems(folders: readonly string[]): boolean {
  const calls = loadLibrary({
    openat: ["i32", "buffer", "i32"],
    syncfs: ["i32"],
    close: ["i32"],
  });
  if (calls === undefined) return false;
  const done = new Set<bigint>();
  for (const folder of folders) {
    const { device } = attempt(folder, () => lstat(folder)) ?? {};
    if (device === undefined || done.has(device)) continue;
    done.add(device);
    const path = new TextEncoder().encode(`${folder}\0`);
    const fd = calls.openat(AT_FDCWD, path, O_CLOEXEC);
    if (fd < 0) return false;
    const result = calls.syncfs(fd);
    calls.close(fd);
    if (result !== 0) throw fileError(new Error(NOT_TAKEN), folder);
  }
  return true;
}

/** Neither to follow a symlink nor to wait for a pipe in the file's place. */
const READ = (fs?.constants.O_RDONLY ?? 0) | (fs?.constants.O_NOFOLLOW ?? 0) |
  (fs?.constants.O_NONBLOCK ?? 0);

const NOT_TAKEN = "the disk did not take all that was written";
/** To read, and not to be passed on to programs (`fcntl.h`). */
const O_CLOEXEC = 0x80000;

async function syncFile(file: string): Promise<void> {
  try {
    // Windows flushes only what may be written.
    const flags = process.platform === "win32" ? "r+" : READ;
    const handle = await fs.promises.open(file, flags);
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (!isPassedOver(error)) throw fileError(error, file);
  }
}

function attempt<Result>(place: string, work: () => Result): Result | void {
  try {
    return work();
  } catch (error) {
    if (!isPassedOver(error)) throw fileError(error, place);
  }
}

const PASSED_OVER: ReadonlySet<string> = new Set([
  "EACCES",
  "ELOOP",
  "ENOENT",
  "ENOTDIR",
  "ENXIO",
  "EPERM",
]);

/** Returns whether an error is of a path that is gone or may not be opened. */
function isPassedOver(error: unknown): boolean {
  const { code } = error as { code?: string };
  return PASSED_OVER.has(code ?? "");
}
