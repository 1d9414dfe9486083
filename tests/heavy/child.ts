import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import * as fs from "node:fs";
import { COMMAND } from "../cli/helpers.ts";

/** Starts the command, and passes its errors on. */
export function start(
  words: string[],
  env: Record<string, string>,
): ChildProcess {
  const [program, ...args] = [...COMMAND, ...words];
  return spawn(program, args, { env, stdio: ["ignore", "ignore", "inherit"] });
}

/** Waits for a command. Returns its peak memory in bytes. */
export async function finish(child: ChildProcess): Promise<number> {
  let peak = 0;
  const timer = setInterval(() => peak = Math.max(peak, peakOf(child)), 50);
  const code = await new Promise((resolve) => child.on("exit", resolve));
  clearInterval(timer);
  assert.equal(code, 0);
  return peak;
}

/** Returns the peak memory of a running process so far, in bytes. */
function peakOf(child: ChildProcess): number {
  try {
    const status = fs.readFileSync(`/proc/${child.pid}/status`, "utf8");
    return 1024 * Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0);
  } catch {
    return 0;
  }
}
