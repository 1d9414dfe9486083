import * as fs from "node:fs";
import { fileError } from "./file.ts";
import { STAGE_PREFIX } from "./walker.ts";

/**
 * Runs `work` with a new, empty folder inside a directory, so that what is
 * prepared there takes its place by a rename. The folder is gone afterwards;
 * one that a crash left behind is never part of a tree.
 *
 * @param root The directory, a path of the operating system.
 * @param work What to do; it is given the folder.
 */
export async function withStage<Result>(
  root: string,
  work: (stage: string) => Promise<Result>,
): Promise<Result> {
  let stage: string;
  try {
    stage = fs.mkdtempSync(`${root}/${STAGE_PREFIX}`);
  } catch (error) {
    throw fileError(error, root);
  }
  try {
    return await work(stage);
  } finally {
    fs.rmSync(stage, { recursive: true, force: true });
  }
}
