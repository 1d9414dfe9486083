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
