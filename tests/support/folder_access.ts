import process from "node:process";
import {
  type FolderAccess,
  useFolderAccess,
} from "../../lib/tree/open_folder.ts";

/** The ways in which this runtime can access folders. */
export const ACCESSES: readonly FolderAccess[] =
  (["calls", "proc", "paths"] as const).filter((access) => {
    const isThere = useFolderAccess(access);
    useFolderAccess(undefined);
    return isThere;
  });

/** Runs `work` once with each way. */
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
 * Runs `work` once with each way that keeps folders open. SECURITY.md explains
 * why plain paths cannot pass such a test.
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
  // On Linux, where the tests run, every runtime has such a way.
  if (times === 0 && process.platform === "linux") throw new Error("no way");
}
