import { readFileSync } from "node:fs";

/** The time for which processor use is observed, in milliseconds. */
const OBSERVED_MS = 3000;

/**
 * The maximum use of the processors by other programs on a quiet machine, in
 * cores. An idle machine uses about 0.02 cores.
 */
export const MAX_QUIET_CORES = 0.1;

/**
 * Waits for three seconds, and returns the average number of cores that other
 * programs used during this time. The time that a hypervisor took counts as
 * used. Returns `undefined` on systems other than Linux.
 */
export async function coresInUse(): Promise<number | undefined> {
  const before = ticks();
  const start = performance.now();
  await new Promise((resolve) => setTimeout(resolve, OBSERVED_MS));
  const after = ticks();
  const seconds = (performance.now() - start) / 1000;
  return before === undefined || after === undefined
    ? undefined
    : (after - before) / 100 / seconds;
}

/**
 * Returns the total busy time of all processors since the system started, in
 * hundredths of a second (see proc_stat(5)), or `undefined` on systems other
 * than Linux.
 */
function ticks(): number | undefined {
  let stat: string;
  try {
    stat = readFileSync("/proc/stat", "utf8");
  } catch {
    return undefined;
  }
  const [user, nice, system, , , irq, softirq, steal] = stat.split("\n")[0]
    .split(/\s+/).slice(1).map(Number);
  return user + nice + system + irq + softirq + steal;
}
