import { spawn } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";

/** The time and memory of a run of a program. */
export interface Run {
  /** Wall-clock time in seconds, from its start to its end. */
  seconds: number;
  /** Processor time of all its threads, where the system tells (Linux). */
  cpu: number | undefined;
  /** Most memory it held in MiB, where the system tells (Linux). */
  memory: number | undefined;
}

/** A program to run. */
export interface Program {
  /** The program and its words. */
  command: string[];
  /** The file that it writes; it is removed before. */
  output: string;
}

/**
 * Runs programs in turns, so that what else the machine does meets all of them
 * alike, and gives for each the best times of its runs and the largest memory.
 *
 * @param programs What to run.
 * @param rounds How many times.
 */
export async function measure(
  programs: Program[],
  rounds: number,
): Promise<Run[]> {
  const runs: Run[][] = programs.map(() => []);
  for (let round = 0; round < rounds; round++) {
    for (const [index, { command, output }] of programs.entries()) {
      rmSync(output, { force: true });
      runs[index].push(await runOnce(command));
    }
  }
  return runs.map((all) => ({
    seconds: Math.min(...all.map((run) => run.seconds)),
    cpu: all[0].cpu && Math.min(...all.map((run) => run.cpu ?? 0)),
    memory: all[0].memory && Math.max(...all.map((run) => run.memory ?? 0)),
  }));
}

function runOnce([program, ...words]: string[]): Promise<Run> {
  return new Promise((resolve, reject) => {
    let memory: number | undefined;
    const before = childrenTime();
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
      if (code !== 0) {
        reject(new Error(`${program} ${words.join(" ")}: exit code ${code}`));
        return;
      }
      const after = childrenTime();
      const cpu = before === undefined || after === undefined
        ? undefined
        : after - before;
      resolve({ seconds, cpu, memory });
    });
  });
}

/** Processor time of this process's ended children, in seconds: see proc(5). */
function childrenTime(): number | undefined {
  try {
    const stat = readFileSync("/proc/self/stat", "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return (Number(fields[13]) + Number(fields[14])) / 100;
  } catch {
    return undefined;
  }
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
