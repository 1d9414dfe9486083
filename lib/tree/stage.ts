import { fs } from "../bytes/node.ts";
import { temporaryName } from "../storage/temporary.ts";
import { fileError } from "./file.ts";
import { lstat, setTimes } from "./stat.ts";

/**
 * Runs `work` with a new, empty folder inside a directory, so that what is
 * prepared there takes its place by a rename. The folder is gone afterwards;
 * one that a crash left behind is never part of a tree. The directory's time
 * does not tell of it.
 *
 * @param root The directory, a path of the operating system.
 * @param work What to do; it is given the folder.
 */
export async function withStage<Result>(
  root: string,
  work: (stage: string) => Promise<Result>,
): Promise<Result> {
  let stage: string;
  let folder: string;
  let before: bigint;
  try {
    folder = fs.realpathSync(root);
    before = lstat(folder).mtime;
    stage = fs.mkdtempSync(`${folder}/${temporaryName("")}`);
  } catch (error) {
    throw fileError(error, root);
  }
  try {
    setTimes(folder, before);
    return await work(stage);
  } finally {
    const { mtime } = lstat(folder);
    fs.rmSync(stage, { recursive: true, force: true });
    setTimes(folder, mtime);
  }
}
