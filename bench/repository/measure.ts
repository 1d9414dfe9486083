import { spawn } from "node:child_process";
import { lstatSync, readdirSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import type { Step } from "./peers.ts";

/** The time that a program took. */
export interface Taken {
  /** Wall-clock time in seconds. */
  seconds: number;
  /** Time of processors in seconds, of the program and those it started. */
  cpu: number;
}

/** Runs steps one after the other; a failure ends the benchmark. */
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

/** The shell tells the processors' time of what it has waited for. */
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

/** The second line of `times` is of the children: user, system. */
function cpuOf(times: string): number {
  const found = times.split("\n")[1]?.matchAll(/(\d+)m([\d.]+)s/g) ?? [];
  return [...found]
    .reduce((sum, [, minutes, rest]) => sum + 60 * +minutes + +rest, 0);
}

/** The bytes of all files below a folder, those of one inode once. */
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

/** The middle of some numbers. */
export function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((one, other) => one - other);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1
    ? sorted[middle]
    : (sorted[middle - 1] + sorted[middle]) / 2;
}
