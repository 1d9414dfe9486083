import { fs, nodeOs, nodePath } from "../bytes/node.ts";

/**
 * Does work with an empty folder, which is gone when it is done.
 *
 * @param parent Where to make the folder; by default where the system has
 * temporary files.
 * @param work Is given the folder's path.
 */
export async function withScratch<Result>(
  parent: string | undefined,
  work: (folder: string) => Promise<Result>,
): Promise<Result> {
  const folder = fs.mkdtempSync(
    nodePath.join(parent ?? nodeOs.tmpdir(), "deltar-"),
  );
  try {
    return await work(folder);
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

/** Removes a file of such a folder. */
export function removeScratch(file: string): void {
  fs.rmSync(file, { force: true });
}

/** Returns the path of a file that is not there, in a new temporary folder. */
export function temporaryFile(extension: string): string {
  const folder = fs.mkdtempSync(nodePath.join(nodeOs.tmpdir(), "deltar-"));
  return nodePath.join(folder, `archive${extension}`);
}
