import { codeOf } from "../bytes/errors.ts";
import { checkAborted } from "../bytes/abort.ts";
import { fs, process } from "../bytes/node.ts";
import { forEachConcurrent } from "../bytes/for_each_concurrent.ts";
import { turnIfDue } from "../bytes/turns.ts";
import { flushFolder } from "../storage/local.ts";
import { fileError } from "./file.ts";
import { openFolder } from "./open_folder.ts";
import { lstat } from "./stat.ts";

/** The maximum number of files or folders that are flushed at the same time. */
const MAX_FLUSHES_AT_ONCE = 64;

/**
 * Flushes to the disk the content, the metadata and the names that were written
 * into a tree. Where system calls are available (Deno and Bun on Linux), each
 * file system is flushed with one call. Elsewhere, each file and folder is
 * flushed individually. A file that this process has no permission to read is
 * not flushed, so the caller must flush it when writing it.
 *
 * @param folders The folders with changes, including the root, as paths of the
 * operating system.
 * @param files The files that were written. Missing files are ignored.
 * @param signal A signal that ends the flushing.
 * @throws {DeltarError} `io` if the disk did not accept the data; `aborted` if
 * the signal fired.
 */
export async function syncTree(
  folders: readonly string[],
  files: readonly string[],
  signal?: AbortSignal,
): Promise<void> {
  if (await syncFileSystems(folders, signal)) return;
  await forEachConcurrent(files, MAX_FLUSHES_AT_ONCE, async (file) => {
    checkAborted(signal);
    await attempt(file, () => syncFile(file));
  });
  await forEachConcurrent(folders, MAX_FLUSHES_AT_ONCE, async (folder) => {
    checkAborted(signal);
    await attempt(folder, () => flushFolder(folder));
  });
}

/**
 * Flushes each file system that contains one of the folders. Returns `false` if
 * no system call for this is available.
 */
async function syncFileSystems(
  folders: readonly string[],
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const done = new Set<bigint>();
  for (const place of folders) {
    const turn = turnIfDue();
    if (turn !== undefined) await turn;
    checkAborted(signal);
    const isDone = await attempt(place, async () => {
      const { device } = lstat(place);
      if (done.has(device)) return true;
      done.add(device);
      const folder = openFolder(place);
      try {
        return await folder.syncFileSystem();
      } finally {
        folder.close();
      }
    });
    if (isDone === false) return false;
  }
  return true;
}

/**
 * The flags for opening a file to read it, without following a symlink or
 * blocking on a pipe.
 */
const READ = (fs?.constants.O_RDONLY ?? 0) | (fs?.constants.O_NOFOLLOW ?? 0) |
  (fs?.constants.O_NONBLOCK ?? 0);

async function syncFile(file: string): Promise<void> {
  // Windows flushes only files that are opened for writing.
  const flags = process.platform === "win32" ? "r+" : READ;
  const handle = await fs.promises.open(file, flags);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * Runs an operation on a path and returns its result. Returns `undefined` if
 * the path no longer exists or cannot be opened.
 */
async function attempt<Result>(
  place: string,
  work: () => Promise<Result>,
): Promise<Result | void> {
  try {
    return await work();
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

/**
 * Returns whether an error means that a path no longer exists or cannot be
 * opened.
 */
export function isPassedOver(error: unknown): boolean {
  const code = codeOf(error);
  return PASSED_OVER.has(code ?? "");
}
