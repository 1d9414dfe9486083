import { spawnSync } from "node:child_process";
import process from "node:process";
import type { Command } from "./runtimes.ts";

/**
 * Runs a program with this terminal, and says whether it succeeded.
 *
 * @param title What is being done.
 * @param command The program and its first words.
 * @param words The other words.
 */
export function run(
  title: string,
  [program, ...first]: Command,
  ...words: string[]
): boolean {
  console.log(`\n# ${title}`);
  const { status, error } = spawnSync(program, [...first, ...words], {
    stdio: ["ignore", "inherit", "inherit"],
    shell: process.platform === "win32",
  });
  if (error) console.error(error.message);
  return status === 0;
}
