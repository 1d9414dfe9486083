/**
 * Compares two binaries of deltar on the same inputs: `deno task bench compare
 * BINARY [FOLDER] [--rounds N] [--only NAMES]`. BINARY is the path of one
 * binary. The other is built from this source. FOLDER has the inputs and the
 * repositories, and is `bench/out` by default. NAMES are the names of
 * workloads, separated by commas. Both binaries run in each round, so that
 * gradual changes in the machine's speed affect both alike.
 *
 * @module
 */
import { cpSync, mkdirSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { buildBinary } from "../binary.ts";
import { bytesIn, median, run as measure } from "../repository/measure.ts";
import { FULL, makeWorkloads, type Workload } from "../repository/workloads.ts";

/**
 * The time between a change of files and a snapshot, in milliseconds. If it
 * were less than two seconds, the next snapshot would read the changed files
 * again.
 */
const SETTLE_MS = 2500;

/** The two binaries. */
const SIDES = ["before", "after"] as const;
type Side = typeof SIDES[number];

/** Runs the comparison and prints a line for each step. */
export async function run(words: string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args: words,
    allowPositionals: true,
    options: {
      rounds: { type: "string", default: "5" },
      only: { type: "string" },
    },
  });
  const [before, folder = resolve(import.meta.dirname!, "../out")] =
    positionals;
  if (before === undefined) {
    throw new Error("missing argument: the path of the binary to compare with");
  }
  const only = values.only?.split(",");
  const binaries: Record<Side, string> = {
    before: resolve(before),
    after: buildBinary(folder),
  };
  const workloads = makeWorkloads(join(folder, "inputs"), FULL)
    .filter(({ name }) => only?.includes(name) ?? true);
  console.log(
    "step: seconds before, seconds after, after / before; added bytes: after / before",
  );
  for (const workload of workloads) {
    const work = join(folder, "compare");
    await compareWorkload(work, workload, binaries, Number(values.rounds));
  }
}

async function compareWorkload(
  work: string,
  workload: Workload,
  binaries: Record<Side, string>,
  rounds: number,
): Promise<void> {
  rmSync(work, { recursive: true, force: true });
  const live = join(work, "live");
  mkdirSync(live, { recursive: true });
  // Snapshots of the later states of a workload take about the same time, so
  // three states are enough.
  const states = workload.states.slice(0, 3);
  if (workload.unchanged) states.push({ name: "unchanged", apply: () => {} });
  for (const { name, apply } of states) {
    apply(live);
    await new Promise((done) => setTimeout(done, SETTLE_MS));
    // The new objects of a run are removed before the next round, so that all
    // rounds do the same work.
    await compareStep(
      `${workload.name} ${name}`,
      rounds,
      async (side, isLast) => {
        const place = join(work, side);
        const kept = `${place}.kept`;
        mkdirSync(place, { recursive: true });
        if (!isLast) cpSync(place, kept, { recursive: true });
        const had = bytesIn(`${place}/repo`);
        const seconds = await time(binaries[side], place, "snapshot", live);
        const bytes = bytesIn(`${place}/repo`) - had;
        if (!isLast) {
          rmSync(place, { recursive: true });
          cpSync(kept, place, { recursive: true });
          rmSync(kept, { recursive: true });
        }
        return { seconds, bytes };
      },
    );
  }
  const file = workload.file?.(live);
  for (const path of file === undefined ? [[]] : [[], [file]]) {
    const step = path.length === 0 ? "restore" : "one file";
    await compareStep(`${workload.name} ${step}`, rounds, async (side) => {
      const to = join(work, "restored");
      const words = ["restore", "latest", ...path, "--to", to];
      const place = join(work, side);
      const seconds = await time(binaries[side], place, ...words);
      rmSync(to, { recursive: true });
      return { seconds };
    });
  }
  rmSync(work, { recursive: true });
}

/**
 * Runs a step with both binaries in each round. Prints the median times, the
 * median of their ratios and, if the step stores bytes, the ratio of the stored
 * bytes.
 */
async function compareStep(
  step: string,
  rounds: number,
  work: (
    side: Side,
    isLast: boolean,
  ) => Promise<{ seconds: number; bytes?: number }>,
): Promise<void> {
  const seconds: Record<Side, number[]> = { before: [], after: [] };
  const bytes: Record<Side, number> = { before: 0, after: 0 };
  for (let round = 0; round < rounds; round++) {
    // The order alternates, because the second binary benefits from the files
    // that the first binary left in the system's cache.
    for (const side of round % 2 === 0 ? SIDES : SIDES.toReversed()) {
      const taken = await work(side, round === rounds - 1);
      seconds[side].push(taken.seconds);
      bytes[side] = taken.bytes ?? 0;
    }
  }
  const [before, after] = SIDES.map((side) => median(seconds[side]));
  const ratio = median(seconds.after.map((of, at) => of / seconds.before[at]));
  const stored = bytes.before > 0
    ? `; ${(bytes.after / bytes.before).toFixed(4)}`
    : "";
  console.log(
    `${step}: ${before.toFixed(3)}, ${after.toFixed(3)}, ` +
      `${ratio.toFixed(3)}${stored}`,
  );
}

/**
 * Runs a command with the repository and the home folder in `place`. Returns
 * the time in seconds.
 */
async function time(
  binary: string,
  place: string,
  ...words: string[]
): Promise<number> {
  const command = [binary, ...words, "--repo", join(place, "repo")];
  const taken = await measure([{ command }], {
    HOME: join(place, "home"),
    XDG_CACHE_HOME: join(place, "home/cache"),
    XDG_STATE_HOME: join(place, "home/state"),
  });
  return taken.seconds;
}
