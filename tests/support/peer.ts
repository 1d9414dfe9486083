import { execFileSync } from "node:child_process";
import process from "node:process";

/** Options for a test that needs other programs: skipped where one is absent,
 * except where continuous integration promises that all are there. */
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

/** Runs a program and gives what it prints; its failure is the test's. */
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

/** The same, as text. */
export function runText(
  program: string,
  args: string[],
  options: { cwd?: string; input?: Uint8Array | string } = {},
): string {
  return new TextDecoder().decode(run(program, args, options));
}
