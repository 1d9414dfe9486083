import { spawn } from "node:child_process";
import { lstatSync, readdirSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import type { Step } from "./peers.ts";

/** The time and memory that steps used. */
export interface Taken {
  /** The wall-clock time in seconds. */
  seconds: number;
  /** The processor time in seconds, including the time of started programs. */
  cpu: number;
  /**
   * The peak resident memory, in bytes, of the largest single process: the
   * program, or a process that it started. Pages of mapped files count, too.
   */
  memory: number;
}

/**
 * Runs steps one after the other, and returns the sums of their times and the
 * maximum of their memory. Throws if a step fails.
 */
export async function run(
  steps: readonly Step[],
  env: Record<string, string>,
): Promise<Taken> {
  const taken = { seconds: 0, cpu: 0, memory: 0 };
  for (const step of steps) {
    const { seconds, cpu, memory } = await runStep(step, env);
    taken.seconds += seconds;
    taken.cpu += cpu;
    taken.memory = Math.max(taken.memory, memory);
  }
  return taken;
}

/**
 * The words that run GNU time on the command that follows. The last line of the
 * error output then has the command's user and system time in seconds and its
 * maximum memory in KiB.
 */
const TIME = ["/usr/bin/time", "-q", "-f", "%U %S %M"];

function runStep(
  { command, cwd }: Step,
  env: Record<string, string>,
): Promise<Taken> {
  return new Promise((resolve, reject) => {
    const start = performance.now();
    const child = spawn(TIME[0], [...TIME.slice(1), ...command], {
      cwd,
      env: { ...process.env, ...env },
      stdio: ["ignore", "ignore", "pipe"],
    });
    let said = "";
    child.stderr.on("data", (part) => said = (said + part).slice(-2000));
    child.on("error", (cause) => {
      const message = `cannot start ${TIME[0]}: ${cause.message}. ` +
        "Install GNU time, which measures the memory.";
      reject(new Error(message, { cause }));
    });
    child.on("close", (code) => {
      const seconds = (performance.now() - start) / 1000;
      if (code !== 0) {
        reject(new Error(`${command.join(" ")}: exit code ${code}\n${said}`));
        return;
      }
      const [user, system, kibibytes] = said.trimEnd().split("\n").at(-1)
        ?.split(" ").map(Number) ?? [];
      resolve({ seconds, cpu: user + system, memory: kibibytes * 1024 });
    });
  });
}

/**
 * Returns the size of a file, or the total size of the files below a folder, in
 * bytes. Hard links to one file count once. The size of a missing path is 0.
 */
export function bytesIn(path: string): number {
  const seen = new Set<number>();
  let sum = 0;
  const walk = (at: string) => {
    const stat = lstatSync(at);
    if (stat.isDirectory()) {
      for (const name of readdirSync(at)) walk(join(at, name));
    } else if (!seen.has(stat.ino)) {
      seen.add(stat.ino);
      sum += stat.size;
    }
  };
  try {
    walk(path);
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
