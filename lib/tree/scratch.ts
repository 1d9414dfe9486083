import { fs, nodeOs, nodePath } from "../bytes/node.ts";

/**
 * Runs a function with an empty folder, which is deleted afterwards.
 *
 * @param parent The folder in which the empty folder is created. Default: the
 * system's folder for temporary files.
 * @param work Called with the folder's path.
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

/** Deletes a file in a folder that `withScratch` created. */
export function removeScratch(file: string): void {
  fs.rmSync(file, { force: true });
}

/**
 * Returns the path of a file in a new temporary folder. The file does not exist
 * yet.
 *
 * @param extension The end of the name, such as `.tar`.
 */
export function temporaryFile(extension: string): string {
  const folder = fs.mkdtempSync(nodePath.join(nodeOs.tmpdir(), "deltar-"));
  return nodePath.join(folder, `archive${extension}`);
}
