import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

const REPOSITORY = fileURLToPath(new URL("../../", import.meta.url));

/**
 * Builds the single binary, and copies it into a folder.
 *
 * With `DELTAR_TEST_BINARY`, it copies the named file instead, so that a test
 * can be run with an older version.
 *
 * @returns The path of the copy.
 */
export function makeBinary(folder: string): string {
  const binary = join(folder, "deltar");
  const given = process.env.DELTAR_TEST_BINARY;
  if (given === undefined) {
    execFileSync(process.execPath, ["tasks/compile_bun.ts"], {
      cwd: REPOSITORY,
      stdio: "pipe",
    });
  }
  fs.copyFileSync(given ?? join(REPOSITORY, "dist/deltar"), binary);
  return binary;
}
