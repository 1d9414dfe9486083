import { execFileSync } from "node:child_process";
import process from "node:process";

const UNSHARE = ["--user", "--map-root-user", "--mount", "sh", "-c"];

/** Runs a shell script with private mounts. */
export function runApart(
  script: string,
  options: { cwd?: string; env?: Record<string, string> } = {},
): void {
  execFileSync("unshare", [...UNSHARE, script], {
    ...options,
    stdio: "inherit",
  });
}

/**
 * Returns options that skip a test if nothing can be mounted, as in many
 * containers. In continuous integration, the test is never skipped.
 */
export function needsMount(): { skip?: string } {
  if (process.env.CI) return {};
  const script = "mount -t tmpfs -o size=64k none /mnt";
  try {
    execFileSync("unshare", [...UNSHARE, script], { stdio: "ignore" });
    return {};
  } catch {
    return { skip: "needs the right to mount a file system" };
  }
}
