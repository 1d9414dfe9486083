import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { deno } from "../tasks/runtimes.ts";

/**
 * Builds the single binary with the task `compile:bun`.
 *
 * @param folder The folder for the binary. It is created if it does not exist.
 * @returns The absolute path of the binary.
 */
export function buildBinary(folder: string): string {
  mkdirSync(folder, { recursive: true });
  const binary = resolve(join(folder, "deltar"));
  const [program, ...first] = deno();
  execFileSync(
    program,
    [...first, "task", "compile:bun", "--outfile", binary],
    { cwd: resolve(import.meta.dirname!, ".."), stdio: "ignore" },
  );
  return binary;
}
