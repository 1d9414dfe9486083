import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { deno } from "../tasks/runtimes.ts";

/**
 * Builds the single binary as its users get it.
 *
 * @param folder Where to.
 * @returns Its path.
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
