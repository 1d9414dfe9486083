import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { lastingTemp } from "./temp.ts";

/** Whether the tests run on Windows. */
export const isWindows = process.platform === "win32";

/** Options for a test, which may skip it with a reason. */
export interface SkipOptions {
  skip?: string;
}

/**
 * Returns options for a test that needs a feature of POSIX systems. The test is
 * skipped on Windows.
 *
 * @param what The missing feature, such as `modes`.
 */
export function needsPosix(what: string): SkipOptions {
  return isWindows ? { skip: `needs ${what}` } : {};
}

/**
 * Options for a test that creates symlinks. The test is skipped if this process
 * cannot create them. Wine reports success, but creates none.
 */
export const needsSymlinks: SkipOptions = canLink()
  ? {}
  : { skip: "needs symlinks" };

function canLink(): boolean {
  const { folder, remove } = lastingTemp();
  try {
    const link = join(folder, "link");
    fs.symlinkSync("target", link);
    return fs.readlinkSync(link) === "target";
  } catch {
    return false;
  } finally {
    remove();
  }
}
