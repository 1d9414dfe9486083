import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath, pathToFileURL } from "node:url";
import type * as Api from "../../mod.ts";

const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** The library at an earlier commit, with the types of the current one. */
export type OldApi = typeof Api;

/**
 * Loads the library as it is in a commit.
 *
 * The files are in `dist/`, where every runtime finds the same dependencies as
 * for the current library. They appear in one step, because several processes
 * may load them at the same time.
 *
 * @param commit The full name of a commit of this repository.
 */
export async function loadOld(commit: string): Promise<OldApi> {
  return await import(pathToFileURL(join(folderOf(commit), "mod.ts")).href);
}

/** Returns the folder with the library as it is in a commit. */
export function folderOf(commit: string): string {
  const folder = join(ROOT, "dist", `old-${commit.slice(0, 7)}`);
  if (!fs.existsSync(folder)) {
    const stage = `${folder}.${process.pid}`;
    fs.mkdirSync(stage, { recursive: true });
    const tar = execFileSync(
      "git",
      ["archive", commit, "mod.ts", "lib", "LICENSE"],
      { cwd: ROOT, maxBuffer: 1 << 28 },
    );
    execFileSync("tar", ["-xf", "-", "-C", stage], { input: tar });
    try {
      fs.renameSync(stage, folder);
    } catch (error) {
      if (!fs.existsSync(folder)) throw error;
      fs.rmSync(stage, { recursive: true });
    }
  }
  return folder;
}

/**
 * Returns options that skip a test if the commit is not available, as in an
 * archive without git's history. In continuous integration, the commit is
 * always available.
 */
export function needsCommit(commit: string): { skip?: string } {
  if (process.env.CI === "true") return {};
  try {
    execFileSync("git", ["cat-file", "-e", `${commit}^{commit}`], {
      cwd: ROOT,
      stdio: "ignore",
    });
    return {};
  } catch {
    return { skip: `needs git, and commit ${commit}` };
  }
}
