import { spawn } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";

/** The time and memory of a run of a program. */
export interface Run {
  /** The wall-clock time in seconds, from the start to the end of the run. */
  seconds: number;
  /**
   * The processor time of all threads of the program, in seconds; `undefined`
   * on systems other than Linux.
   */
  cpu: number | undefined;
  /**
   * The maximum resident memory of the process in MiB, read every 20
   * milliseconds; `undefined` on systems other than Linux, or if the process
   * ended before the first reading.
   */
  memory: number | undefined;
}

/** A program to run. */
export interface Program {
  /** The program and its arguments. */
  command: string[];
  /** The file that the program writes, which is deleted before each run. */
  output: string;
}

/**
 * Runs programs in turn, so that other work on the machine affects all of them
 * alike. Returns, for each program, the shortest times and the largest memory
 * of its runs.
 *
 * @param programs The programs.
 * @param rounds The number of runs of each program.
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

/**
 * Returns the processor time, in seconds, of the child processes that have
 * ended, from `/proc/self/stat` (see proc(5)), or `undefined` if this file does
 * not exist.
 */
function childrenTime(): number | undefined {
  try {
    const stat = readFileSync("/proc/self/stat", "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return (Number(fields[13]) + Number(fields[14])) / 100;
  } catch {
    return undefined;
  }
}

/**
 * Returns the maximum resident memory of a process so far, in MiB, or
 * `undefined` if the process has ended or the system does not report it.
 */
function peakMemory(pid: number | undefined): number | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    const found = /VmHWM:\s*(\d+) kB/.exec(status);
    return found ? Number(found[1]) / 1024 : undefined;
  } catch {
    return undefined;
  }
}
