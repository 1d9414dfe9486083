import { spawn } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";

/** What a run of a program took. */
export interface Run {
  /** Wall-clock time in seconds, from its start to its end. */
  seconds: number;
  /** Most memory it held in MiB, where the system tells (Linux). */
  memory: number | undefined;
}

/**
 * Runs a program some times, each time without its output file, and gives the
 * fastest run with the largest memory.
 *
 * @param command The program and its words.
 * @param output The file that it writes.
 * @param rounds How many times.
 */
export async function measure(
  command: string[],
  output: string,
  rounds: number,
): Promise<Run> {
  const runs: Run[] = [];
  for (let round = 0; round < rounds; round++) {
    rmSync(output, { force: true });
    runs.push(await runOnce(command));
  }
  return {
    seconds: Math.min(...runs.map((run) => run.seconds)),
    memory: runs[0].memory && Math.max(...runs.map((run) => run.memory ?? 0)),
  };
}

function runOnce([program, ...words]: string[]): Promise<Run> {
  return new Promise((resolve, reject) => {
    let memory: number | undefined;
    const start = performance.now();
    const child = spawn(program, words, {
      stdio: ["ignore", "ignore", "inherit"],
    });
    const timer = setInterval(() => {
      memory = peakMemory(child.pid) ?? memory;
    }, 20);
    child.on("error", reject);
    child.on("exit", (code) => {
      const seconds = (performance.now() - start) / 1000;
      clearInterval(timer);
      if (code === 0) resolve({ seconds, memory });
      else {reject(
          new Error(`${program} ${words.join(" ")}: exit code ${code}`),
        );}
    });
  });
}

/** The high-water mark of a process's memory in MiB. */
function peakMemory(pid: number | undefined): number | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    const found = /VmHWM:\s*(\d+) kB/.exec(status);
    return found ? Number(found[1]) / 1024 : undefined;
  } catch {
    return undefined;
  }
}
