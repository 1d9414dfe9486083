import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import type { TestContext } from "node:test";

/** Runs a program and returns its output. Throws if the program fails. */
export function run(command: string, args: string[], cwd?: string): string {
  const env = { ...process.env, LC_ALL: "C.UTF-8", TZ: "UTC" };
  const done = spawnSync(command, args, { cwd, env, encoding: "utf8" });
  if (done.error) throw done.error;
  if (done.status !== 0) {
    throw new Error(`${command} ${args.join(" ")}: ${done.stderr}`);
  }
  return done.stdout;
}

/**
 * Returns whether a test can use another program. If the program is missing,
 * the test is skipped, but never in continuous integration.
 */
export function has(context: TestContext, command: string): boolean {
  const found = spawnSync(command, ["--version"]).error === undefined;
  if (!found && process.env.CI) throw new Error(`CI lacks ${command}`);
  if (!found) context.skip(`no ${command} here`);
  return found;
}

/** Runs `work` with a temporary folder, and then deletes the folder. */
export async function withFolder(
  work: (folder: string) => Promise<void> | void,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "deltar-"));
  try {
    await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
