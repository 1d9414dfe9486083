import { codeOf } from "../bytes/errors.ts";
import { checkAborted } from "../bytes/abort.ts";
import { fs, process } from "../bytes/node.ts";
import { forEachConcurrent } from "../bytes/for_each_concurrent.ts";
import { turnIfDue } from "../bytes/turns.ts";
import { flushFolder } from "../storage/local.ts";
import { fileError } from "./file.ts";
import { openFolder } from "./open_folder.ts";
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
 * @param signal Ends the work with an error of code `aborted`.
 * @throws {DeltarError} `io` if the disk did not take what was written.
 */
export async function syncTree(
  folders: readonly string[],
  files: readonly string[],
  signal?: AbortSignal,
): Promise<void> {
  if (await syncFileSystems(folders, signal)) return;
  await forEachConcurrent(files, AT_ONCE, async (file) => {
    checkAborted(signal);
    await attempt(file, () => syncFile(file));
  });
  await forEachConcurrent(folders, AT_ONCE, async (folder) => {
    checkAborted(signal);
    await attempt(folder, () => flushFolder(folder));
  });
}

/** Flushes each file system that folders lie on; whether there is a call. */
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

/** Neither to follow a symlink nor to wait for a pipe in the file's place. */
const READ = (fs?.constants.O_RDONLY ?? 0) | (fs?.constants.O_NOFOLLOW ?? 0) |
  (fs?.constants.O_NONBLOCK ?? 0);

async function syncFile(file: string): Promise<void> {
  // Windows flushes only what may be written.
  const flags = process.platform === "win32" ? "r+" : READ;
  const handle = await fs.promises.open(file, flags);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Works on a path; one that is gone or may not be opened is passed over. */
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

/** Returns whether an error is of a path that is gone or may not be opened. */
export function isPassedOver(error: unknown): boolean {
  const code = codeOf(error);
  return PASSED_OVER.has(code ?? "");
}
