import process from "node:process";
import {
  type FolderAccess,
  useFolderAccess,
} from "../../lib/tree/open_folder.ts";

/** The ways by which this runtime can reach folders. */
export const ACCESSES: readonly FolderAccess[] =
  (["calls", "proc", "paths"] as const).filter((access) => {
    const isThere = useFolderAccess(access);
    useFolderAccess(undefined);
    return isThere;
  });

/** Runs `work` once by each way. */
export async function byEachAccess(
  work: (access: FolderAccess) => void | Promise<void>,
): Promise<void> {
  for (const access of ACCESSES) {
    useFolderAccess(access);
    try {
      await work(access);
    } finally {
      useFolderAccess(undefined);
    }
  }
}

/**
 * Runs `work` once by each way that holds folders open. Plain paths cannot hold
 * what such a test asks for; SECURITY.md says so.
 */
export async function byEachOpenAccess(
  work: (access: FolderAccess) => void | Promise<void>,
): Promise<void> {
  let times = 0;
  await byEachAccess(async (access) => {
    if (access === "paths") return;
    times++;
    await work(access);
  });
  // Every runtime has one on Linux, where the tests run.
  if (times === 0 && process.platform === "linux") throw new Error("no way");
}
