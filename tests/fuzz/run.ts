/**
 * Runs workers and monitors their time, memory and disk space. A worker that
 * hangs is ended, and the next case continues in a new worker.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { WorkerOptions } from "./worker.ts";

const HERE = dirname(fileURLToPath(import.meta.url));

/** A fault that a case found. */
export interface Finding {
  seed: number;
  number: number;
  kind: string;
  /** The fault. */
  fault: string;
  text: string;
  /** The steps of the case before the fault. */
  steps: string[];
}

/** Options for a run. */
export interface FuzzOptions {
  seed: number;
  /** The number of the first case. Default: 0. */
  first?: number;
  /** The maximum number of cases. Default: no limit except the time. */
  count?: number;
  /** The duration of the run, in milliseconds. */
  time: number;
  /** The folder of the code to test. Default: this clone. */
  code?: string;
  /** The kinds of cases to run. Default: all. */
  kinds?: string[];
  /**
   * Whether the run ends after the first case with a finding. Default: false.
   */
  untilFinding?: boolean;
  /** Called with each finding. */
  onFinding?: (finding: Finding) => void;
}

/** The result of a run. */
export interface FuzzResult {
  cases: number;
  findings: Finding[];
  /** The highest memory use of a case, in MiB. */
  memory: number;
  /** The longest time of a case, in milliseconds. */
  longest: number;
  /** The step that took the most processor time, in milliseconds. */
  busiest: { busy: number; number: number; step: string };
}

const MEBIBYTE = 1 << 20;
/** The maximum memory of a case, in MiB. */
const MEMORY = 400;
/** The maximum processor time and elapsed time of a case, in milliseconds. */
const BUSY = 10_000;
const WALL = 90_000;
/**
 * The maximum disk space of a case, in addition to three times its claimed
 * size, in bytes.
 */
const DISK = 64 * MEBIBYTE;
/** The number of cases after which a worker is replaced. */
const CASES = 400;

/** Runs cases until the time has passed. */
export async function fuzz(options: FuzzOptions): Promise<FuzzResult> {
  const scratch = fs.mkdtempSync(join(tmpdir(), "deltar-fuzz-"));
  const end = Date.now() + options.time;
  const result: FuzzResult = {
    cases: 0,
    findings: [],
    memory: 0,
    longest: 0,
    busiest: { busy: 0, number: 0, step: "" },
  };
  const bombs = join(scratch, "bombs");
  // A separate process prepares the bombs, because this takes much memory.
  execFileSync(process.execPath, [
    "--input-type=module",
    "-e",
    `import { prepareBombs } from ${
      JSON.stringify(pathToFileURL(join(HERE, "bombs.ts")).href)
    }; prepareBombs(${JSON.stringify(bombs)});`,
  ]);
  const server = await startServer();
  try {
    let next = options.first ?? 0;
    const last = next + (options.count ?? Infinity);
    while (
      Date.now() < end && next < last &&
      !(options.untilFinding && result.findings.length > 0)
    ) {
      next = await runWorker(
        {
          code: options.code ?? dirname(dirname(HERE)),
          scratch: join(scratch, "worker"),
          bombs,
          server: server.address,
          seed: options.seed,
          first: next,
          count: options.untilFinding ? 1 : Math.min(CASES, last - next),
          kinds: options.kinds,
        },
        end,
        result,
        options.onFinding,
      );
    }
  } finally {
    server.child.kill("SIGKILL");
    fs.rmSync(scratch, { recursive: true, force: true });
  }
  return result;
}

async function startServer(): Promise<
  { child: ChildProcess; address: string }
> {
  const repository = join(HERE, "../frozen/2abdc44/life/repository");
  const child = spawn(process.execPath, [join(HERE, "server.ts"), repository], {
    stdio: ["pipe", "pipe", "ignore"],
  });
  for await (const line of createInterface({ input: child.stdout! })) {
    return { child, address: `http://127.0.0.1:${line}` };
  }
  throw new Error("the server did not start");
}

/** Runs cases in one worker. Returns the number of the next case. */
async function runWorker(
  worker: WorkerOptions,
  end: number,
  result: FuzzResult,
  onFinding: FuzzOptions["onFinding"],
): Promise<number> {
  fs.rmSync(worker.scratch, { recursive: true, force: true });
  fs.mkdirSync(join(worker.scratch, "case/tmp"), { recursive: true });
  const child = spawn(
    process.execPath,
    [
      "--expose-gc",
      // Otherwise garbage that is not collected yet would count as memory in
      // use.
      "--max-semi-space-size=4",
      "--max-old-space-size=280",
      join(HERE, "worker.ts"),
      JSON.stringify(worker),
    ],
    { stdio: ["ignore", "pipe", "pipe"] },
  );
  let errors = "";
  child.stderr!.on("data", (part) => errors = `${errors}${part}`.slice(-3000));
  const state = {
    number: worker.first,
    kind: "",
    steps: [] as string[],
    began: Date.now(),
    stepBegan: Date.now(),
    busy: 0,
    claimed: 0,
    isDone: true,
  };
  const find = (fault: string, text: string) => {
    const { number, kind, steps } = state;
    const finding = {
      seed: worker.seed,
      number,
      kind,
      fault,
      text,
      steps: [...steps],
    };
    result.findings.push(finding);
    onFinding?.(finding);
  };
  let killed = false;
  const kill = (fault?: string, text = "") => {
    if (killed) return;
    killed = true;
    if (fault !== undefined) find(fault, text);
    child.kill("SIGKILL");
  };
  /** Ends a step and returns its time. The next step begins. */
  const endStep = (): number => {
    const all = useOf(child.pid!)?.busy ?? 0;
    const busy = all - state.busy;
    const step = state.steps.at(-1);
    if (step !== undefined && busy > result.busiest.busy) {
      result.busiest = { busy, number: state.number, step };
    }
    return all;
  };
  const watch = setInterval(() => {
    const wall = Date.now() - state.stepBegan;
    const use = useOf(child.pid!);
    if (state.isDone) {
      if (Date.now() > end) kill();
      return;
    }
    if (use !== undefined && use.memory > MEMORY * 1.5 * MEBIBYTE) {
      kill("memory", `${Math.round(use.memory / MEBIBYTE)} MiB and growing`);
    }
    const busy = (use?.busy ?? 0) - state.busy;
    if (busy > BUSY) kill("hang", `${busy} ms of work`);
    else if (wall > WALL && busy < WALL / 20) {
      kill("hang", `${wall} ms, ${busy} of them work`);
    }
    const disk = diskOf(child.pid!, worker.scratch);
    if (disk > DISK + 3 * state.claimed) {
      kill("disk", `${Math.round(disk / MEBIBYTE)} MiB`);
    }
  }, 100);
  try {
    for await (const line of createInterface({ input: child.stdout! })) {
      const message = JSON.parse(line);
      if (message.begin !== undefined) {
        Object.assign(state, {
          number: message.begin,
          kind: message.kind,
          steps: [],
          began: Date.now(),
          stepBegan: Date.now(),
          busy: useOf(child.pid!)?.busy ?? 0,
          claimed: 0,
          isDone: false,
        });
      } else if (message.step !== undefined) {
        // The time of each operation is measured separately.
        state.busy = endStep();
        state.stepBegan = Date.now();
        state.steps.push(message.step);
      } else if (message.claimed !== undefined) state.claimed = message.claimed;
      else if (message.finding !== undefined) {
        find(message.finding, message.text);
      } else if (message.done !== undefined) {
        endStep();
        state.isDone = true;
        result.cases++;
        result.memory = Math.max(result.memory, message.memory);
        result.longest = Math.max(result.longest, Date.now() - state.began);
        if (message.memory > MEMORY) {
          find("memory", `${Math.round(message.memory)} MiB`);
        }
        if (Date.now() > end) kill();
      }
    }
    const code = child.exitCode ??
      await new Promise<number | null>((resolve) => child.on("exit", resolve));
    if (!killed && code !== 0) find("crash", `the process ended: ${errors}`);
  } finally {
    clearInterval(watch);
  }
  return state.number + 1;
}

/**
 * Returns the memory and processor time of a process, if the system reports
 * them.
 */
function useOf(pid: number): { memory: number; busy: number } | undefined {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return {
      memory: Number(fields[21]) * 4096,
      busy: (Number(fields[11]) + Number(fields[12])) * 10,
    };
  } catch {
    return undefined;
  }
}

/** Returns the disk space of a case, including unlinked files. */
function diskOf(pid: number, folder: string): number {
  let size = 0;
  const visit = (at: string) => {
    try {
      for (const entry of fs.readdirSync(at, { withFileTypes: true })) {
        const place = join(at, entry.name);
        if (entry.isDirectory()) visit(place);
        else if (entry.isFile()) size += 512 * fs.lstatSync(place).blocks;
      }
    } catch {
      // The file was deleted in the meantime.
    }
  };
  visit(folder);
  try {
    for (const fd of fs.readdirSync(`/proc/${pid}/fd`)) {
      const place = `/proc/${pid}/fd/${fd}`;
      const name = fs.readlinkSync(place);
      if (name.startsWith(folder) && name.endsWith(" (deleted)")) {
        size += 512 * fs.statSync(place).blocks;
      }
    }
  } catch {
    // The process ended in the meantime, or the system has no such folder.
  }
  return size;
}

/** Describes a finding, with the command that runs its case again. */
export function describe(
  { seed, number, kind, fault, text, steps }: Finding,
): string {
  return `FUZZ_SEED=${seed}:${number} (${kind}) ${fault}: ${text}\n` +
    steps.map((step) => `    ${step.slice(0, 600)}\n`).join("");
}
