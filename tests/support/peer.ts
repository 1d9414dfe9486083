import { execFileSync } from "node:child_process";
import process from "node:process";

/**
 * Returns options for a test that needs other programs. The test is skipped if
 * one is missing, except in continuous integration, where all must exist.
 */
export function needs(...programs: string[]): { skip?: string } {
  const missing = programs.filter((program) => {
    try {
      execFileSync("which", [program], { stdio: "ignore" });
      return false;
    } catch {
      return true;
    }
  });
  if (missing.length === 0 || process.env.CI) return {};
  return { skip: `needs ${missing.join(", ")}` };
}

/**
 * Runs a program, and returns its output. If the program fails, so does the
 * test.
 */
export function run(
  program: string,
  args: string[],
  options: {
    cwd?: string;
    env?: Record<string, string>;
    input?: Uint8Array | string;
  } = {},
): Uint8Array {
  return execFileSync(program, args, {
    ...options,
    stdio: ["pipe", "pipe", "pipe"],
    maxBuffer: 1 << 30,
  });
}

/** Runs a program, and returns its output as text. */
export function runText(
  program: string,
  args: string[],
  options: { cwd?: string; input?: Uint8Array | string } = {},
): string {
  return new TextDecoder().decode(run(program, args, options));
}
