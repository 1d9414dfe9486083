import { mkdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { userFolder } from "../location.ts";

/** Records the current time as the last run of a host's hook, if possible. */
export function noteFired(host: string): void {
  try {
    mkdirSync(folder(), { recursive: true, mode: 0o700 });
    writeFileSync(join(folder(), host), "", { mode: 0o600 });
  } catch {
    // `deltar agent status` then does not show this run.
  }
}

/**
 * Returns the time at which the hook of a host last ran, in milliseconds since
 * 1970, or `undefined` if no run was recorded.
 */
export function lastFired(host: string): number | undefined {
  const path = join(folder(), host);
  return statSync(path, { throwIfNoEntry: false })?.mtime.getTime();
}

function folder(): string {
  return join(userFolder("state"), "fired");
}
