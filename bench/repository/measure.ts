import { spawn } from "node:child_process";
import { lstatSync, readdirSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import type { Step } from "./peers.ts";

/** The time that steps took. */
export interface Taken {
  /** The wall-clock time in seconds. */
  seconds: number;
  /** The processor time in seconds, including the time of started programs. */
  cpu: number;
}

/**
 * Runs steps one after the other, and returns the sums of their times. Throws if a
 * step fails.
 */
export async function run(
  steps: readonly Step[],
  env: Record<string, string>,
): Promise<Taken> {
  const taken = { seconds: 0, cpu: 0 };
  for (const step of steps) {
    const { seconds, cpu } = await runStep(step, env);
    taken.seconds += seconds;
    taken.cpu += cpu;
  }
  return taken;
}

/** The script that runs a command and prints its processor time. */
const TIMED = 'command -v "$1" >/dev/null || exit 127; "$@" >&2; ' +
  "code=$?; times; exit $code";

function runStep(
  { command, cwd }: Step,
  env: Record<string, string>,
): Promise<Taken> {
  return new Promise((resolve, reject) => {
    const start = performance.now();
    const child = spawn("sh", ["-c", TIMED, "sh", ...command], {
      cwd,
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let times = "";
    let said = "";
    child.stdout.on("data", (part) => times += part);
    child.stderr.on("data", (part) => said = (said + part).slice(-2000));
    child.on("error", reject);
    child.on("close", (code) => {
      const seconds = (performance.now() - start) / 1000;
      if (code !== 0) {
        reject(new Error(`${command.join(" ")}: exit code ${code}\n${said}`));
      } else resolve({ seconds, cpu: cpuOf(times) });
    });
  });
}

/**
 * Returns the processor time in the output of `times`, in seconds. The second line
 * has the user and system time of the children.
 */
function cpuOf(times: string): number {
  const found = times.split("\n")[1]?.matchAll(/(\d+)m([\d.]+)s/g) ?? [];
  return [...found]
    .reduce((sum, [, minutes, rest]) => sum + 60 * +minutes + +rest, 0);
}

/**
 * Returns the total size of the files below a folder, in bytes. Hard links to one
 * file count once. The size of a missing folder is 0.
 */
export function bytesIn(folder: string): number {
  const seen = new Set<number>();
  let sum = 0;
  const walk = (at: string) => {
    for (const { name } of readdirSync(at, { withFileTypes: true })) {
      const path = join(at, name);
      const stat = lstatSync(path);
      if (stat.isDirectory()) walk(path);
      else if (!seen.has(stat.ino)) {
        seen.add(stat.ino);
        sum += stat.size;
      }
    }
  };
  try {
    walk(folder);
  } catch (error) {
    if ((error as { code?: string }).code !== "ENOENT") throw error;
  }
  return sum;
}

/** Returns the median of some numbers. */
export function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((one, other) => one - other);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1
    ? sorted[middle]
    : (sorted[middle - 1] + sorted[middle]) / 2;
}
