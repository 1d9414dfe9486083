import { execFileSync } from "node:child_process";
import process from "node:process";

const UNSHARE = ["--user", "--map-root-user", "--mount", "sh", "-c"];

/** Runs a shell's script where it may mount without anybody else seeing it. */
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
 * Skips a test where nothing can be mounted, as in many a container, except
 * where continuous integration promises that it can.
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
