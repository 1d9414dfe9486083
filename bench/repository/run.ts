/**
 * Compares the `deltar` command with other programs that store versions of
 * directories. Each run is a process of its own, and all programs get the same
 * directories: `deno task bench repository [FOLDER] [--quick] [--rounds N]
 * [--only NAMES] [--peers FOLDER] [--without PROGRAMS]`. The first FOLDER has
 * the inputs and the repositories, and is `bench/out` by default. `--only`
 * names the workloads to run, and `--without` names programs to omit, separated
 * by commas. Programs in the folder of `--peers` are used instead of installed
 * ones. In each round, all programs do each step, one after the other. Each
 * round begins with a different program.
 *
 * @module
 */
import { existsSync, mkdirSync, rmSync } from "node:fs";
import { availableParallelism, cpus, release, totalmem } from "node:os";
import { join, resolve } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { buildBinary } from "../binary.ts";
import { writeResult } from "../write_result.ts";
import { barsOf, type Row } from "./bars.ts";
import { bytesIn, median, run as measure, type Taken } from "./measure.ts";
import { allPeers, installed, type Peer, type Step } from "./peers.ts";
import { coresInUse, MAX_QUIET_CORES } from "./quiet.ts";
import {
  FULL,
  historyOf,
  makeWorkloads,
  QUICK,
  type Scale,
  type Workload,
} from "./workloads.ts";

/**
 * The time between a change of files and a snapshot, in milliseconds. If it
 * were less than two seconds, the next snapshot would read the changed files
 * again.
 */
const SETTLE_MS = 2500;

/**
 * The figures of a step, without the names of the workload, the step and the
 * program.
 */
type Cost = Omit<Row, "workload" | "step" | "peer">;

/** Runs the benchmark, prints its results and writes them into `bench/out`. */
export async function run(words: string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args: words,
    allowPositionals: true,
    options: {
      quick: { type: "boolean", default: false },
      rounds: { type: "string" },
      only: { type: "string" },
      peers: { type: "string" },
      without: { type: "string" },
    },
  });
  const out = resolve(import.meta.dirname!, "../out");
  const folder = resolve(positionals[0] ?? out);
  const { quick } = values;
  const inputs = join(folder, quick ? "inputs-quick" : "inputs");
  const work = join(folder, "work");
  const rounds = Number(values.rounds ?? (quick ? 1 : 5));
  if (!(rounds >= 1)) {
    throw new RangeError(
      `--rounds must be at least 1: ${values.rounds}`,
    );
  }
  const only = values.only?.split(",");
  const without = values.without?.split(",") ?? [];
  if (values.peers !== undefined) {
    const programs = resolve(values.peers);
    if (!existsSync(programs)) {
      throw new Error(`the folder of --peers does not exist: ${programs}`);
    }
    process.env.PATH = `${programs}:${process.env.PATH}`;
  }
  const scale = quick ? QUICK : FULL;
  const workloads = makeWorkloads(inputs, scale)
    .filter(({ name }) => only?.includes(name) ?? true);
  const peers = installed(
    allPeers(buildBinary(folder))
      .filter(({ version: [program] }) => !without.includes(program)),
  );
  const machine = [
    `${cpus()[0].model}, ${availableParallelism()} cores, ` +
    `${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release()}`,
    ...peers.map(({ version }) => version),
  ];
  console.log(machine.join("\n"));
  const samples: Row[] = [];
  const failures = new Set<string>();
  const before = await checkQuiet();
  for (let round = 0; round < rounds; round++) {
    const first = round % peers.length;
    const ordered = [...peers.slice(first), ...peers.slice(0, first)];
    for (const workload of workloads) {
      console.log(`round ${round + 1} of ${rounds}: ${workload.name}`);
      samples.push(
        ...await runWorkload(
          work,
          workload,
          ordered,
          scale.settles,
          failures,
        ),
      );
    }
  }
  if (only?.includes("history") ?? true) {
    samples.push(...await runHistory(work, scale.history, peers[0].peer));
  }
  const others = { before, after: await checkQuiet() };
  const rows = mediansOf(samples);
  rows.forEach(print);
  const bars = barsOf(rows);
  if (quick) {
    console.log(
      "The targets do not apply, because the inputs of a quick run are too small.",
    );
  }
  for (const { what, value, limit } of bars) {
    const [shown, most] = [value, limit].map((one) =>
      one >= 100 ? one.toFixed(0) : one.toFixed(3)
    );
    const verdict = quick ? "" : value <= limit ? "met    " : "missed ";
    console.log(`${verdict}${what}: ${shown}, at most ${most}`);
  }
  const result = {
    machine,
    rounds,
    others,
    failures: [...failures],
    rows,
    bars,
  };
  writeResult("repository", result, quick);
}

/**
 * Returns the number of cores that other programs use, or `undefined` on
 * systems other than Linux. Prints a warning if the machine is not quiet.
 */
async function checkQuiet(): Promise<number | undefined> {
  await measure([{ command: ["sync"] }], {});
  const cores = await coresInUse();
  if (cores !== undefined && cores > MAX_QUIET_CORES) {
    console.warn(
      `The machine is not quiet: other programs use ${cores.toFixed(2)} of ` +
        `${availableParallelism()} cores. The times may be too long.`,
    );
  }
  return cores;
}

/**
 * Measures snapshots of each state of a workload by all programs, one after the
 * other, and then restores of the last state. A program other than deltar that
 * fails in a step is left out of the later steps. Throws if deltar fails.
 *
 * @param failures A set to which a message is added for each failure.
 */
async function runWorkload(
  work: string,
  { name: workload, states: changes, unchanged, file }: Workload,
  peers: readonly { peer: Peer }[],
  settles: boolean,
  failures: Set<string>,
): Promise<Row[]> {
  const rows: Row[] = [];
  const left = new Set(peers.map(({ peer }) => peer));
  const measureAll = async (
    step: string,
    run: (peer: Peer) => Promise<Cost>,
  ) => {
    for (const peer of left) {
      try {
        rows.push({ workload, step, peer: peer.name, ...await run(peer) });
      } catch (error) {
        if (peer.name === "deltar") throw error;
        left.delete(peer);
        const failure = `${peer.name} failed in ${workload}, ${step}`;
        failures.add(failure);
        console.warn(`${failure}:`, error);
      }
    }
  };
  const live = clear(work);
  const states = [...changes];
  if (unchanged) states.push({ name: "unchanged", apply: () => {} });
  for (const [n, { name, apply }] of states.entries()) {
    apply(live);
    // Without the wait, the snapshot "unchanged" would read files again (see
    // SETTLE_MS).
    if (settles || unchanged) {
      await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
    }
    await measureAll(name, (peer) => snapshot(work, live, peer, n));
  }
  const last = states.length - 1;
  await measureAll("restore", (peer) =>
    restore(
      work,
      peer,
      live,
      (to) => peer.restore(placesOf(work, peer).repo, live, to, last),
    ));
  const path = file?.(live);
  if (path === undefined) return rows;
  await measureAll("one file", (peer) =>
    restore(
      work,
      peer,
      join(live, path),
      (to) => peer.restoreFile(placesOf(work, peer).repo, live, to, last, path),
    ));
  return rows;
}

/** Measures early and late snapshots of a long history, and their restores. */
async function runHistory(
  work: string,
  [count, measured]: Scale["history"],
  peer: Peer,
): Promise<Row[]> {
  const rows: Row[] = [];
  const live = clear(work);
  const { repo } = placesOf(work, peer);
  const states = historyOf(count);
  for (const [n, { apply }] of states.entries()) {
    apply(live);
    const part = n >= 6 && n < 6 + measured
      ? "early"
      : n >= count - measured
      ? "late"
      : undefined;
    const stored = await snapshot(work, live, peer, n);
    if (part === undefined) continue;
    const about = { workload: "history", peer: peer.name };
    rows.push({ ...about, step: `snapshot, ${part}`, ...stored });
    const taken = await restore(
      work,
      peer,
      live,
      (to) => peer.restore(repo, live, to, n),
    );
    rows.push({ ...about, step: `restore, ${part}`, ...taken });
  }
  return rows;
}

/**
 * Measures snapshot `n` of a directory. Creates the repository before the first
 * snapshot.
 */
async function snapshot(
  work: string,
  live: string,
  peer: Peer,
  n: number,
): Promise<Cost> {
  const { repo, home } = placesOf(work, peer);
  const env = peer.env(home);
  if (n === 0) {
    mkdirSync(home, { recursive: true });
    await measure(peer.init?.(repo) ?? [], env);
  }
  const before = bytesIn(repo);
  await flush(work);
  const taken = await measure(peer.snapshot(repo, live, n), env);
  return { ...taken, bytes: bytesIn(repo) - before };
}

/**
 * Measures a restore into a new folder, together with a flush of the folder's
 * file system. The flush is included because some programs flush what they
 * restore and others do not. Throws if the restored files are smaller than the
 * original.
 *
 * @param original The path of the file or folder that is restored.
 * @param stepsOf Called with the path of the new folder. Returns the steps of
 * the restore.
 */
async function restore(
  work: string,
  peer: Peer,
  original: string,
  stepsOf: (to: string) => Step[],
): Promise<Taken> {
  const to = join(work, "restored");
  await flush(work);
  const steps = [...stepsOf(to), flushOf(work)];
  const taken = await measure(steps, peer.env(placesOf(work, peer).home));
  const restored = bytesIn(to) + bytesIn(`${to}.file`);
  if (restored < bytesIn(original)) {
    throw new Error(
      `${peer.name}: only ${restored} bytes of ${original} were restored`,
    );
  }
  rmSync(to, { recursive: true, force: true });
  rmSync(`${to}.file`, { recursive: true, force: true });
  return taken;
}

/**
 * Flushes earlier writes to the disk, so that they do not slow down the next
 * measured step.
 */
async function flush(folder: string): Promise<void> {
  await measure([flushOf(folder)], {});
}

function flushOf(folder: string): Step {
  return { command: ["sync", "-f", folder] };
}

function clear(work: string): string {
  rmSync(work, { recursive: true, force: true });
  const live = join(work, "live");
  mkdirSync(live, { recursive: true });
  return live;
}

function placesOf(work: string, peer: Peer): { repo: string; home: string } {
  const name = peer.name.replaceAll(/\W+/g, "-");
  return {
    repo: join(work, `repo-${name}`),
    home: join(work, `home-${name}`),
  };
}

function mediansOf(samples: readonly Row[]): Row[] {
  const groups = new Map<string, Row[]>();
  for (const row of samples) {
    const key = `${row.workload} ${row.step} ${row.peer}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [row]);
    else group.push(row);
  }
  return [...groups.values()].map((group) => {
    const of = (field: "seconds" | "cpu" | "memory" | "bytes") =>
      median(group.map((row) => row[field]!));
    const hasBytes = group[0].bytes !== undefined;
    return {
      ...group[0],
      seconds: of("seconds"),
      cpu: of("cpu"),
      memory: of("memory"),
      ...hasBytes && { bytes: of("bytes") },
    };
  });
}

function print(
  { workload, step, peer, seconds, cpu, memory, bytes }: Row,
): void {
  console.log([
    workload.padEnd(11),
    step.padEnd(15),
    peer.padEnd(12),
    `${seconds.toFixed(2)} s`.padStart(9),
    `${cpu.toFixed(2)} s cpu`.padStart(12),
    `${(memory / 2 ** 20).toFixed(0)} MiB`.padStart(9),
    bytes === undefined ? "" : `${Math.round(bytes)} B`.padStart(13),
  ].join(" "));
}
