/**
 * Compares `deltar rdiff` with librsync's `rdiff`. Each run is a process of its
 * own, and all programs get the same files: `deno task bench delta [FOLDER]
 * [--size MIB] [--rounds N] [--quick]`. With `--quick`, the files are small,
 * and only the default block size is used.
 *
 * @module
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { availableParallelism, cpus, tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { bun, deno, node, script } from "../../tasks/runtimes.ts";
import { buildBinary } from "../binary.ts";
import { writeResult } from "../write_result.ts";
import { makeInputs, PAIRS } from "./inputs.ts";
import { measure } from "./measure.ts";

interface Row {
  program: string;
  job: string;
  block: string;
  seconds: number;
  cpu: number | undefined;
  memory: number | undefined;
  /** The time of `rdiff` divided by the time of this program. */
  ratio: number;
  /**
   * The processor time of `rdiff` divided by the processor time of this
   * program; `undefined` on systems other than Linux.
   */
  cpuRatio: number | undefined;
  /** The size of the written signature, delta or file, in bytes. */
  size: number;
}

/**
 * Runs the benchmark, prints its table and writes the result into `bench/out`.
 */
export async function run(words: string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args: words,
    allowPositionals: true,
    options: {
      quick: { type: "boolean", default: false },
      size: { type: "string" },
      rounds: { type: "string" },
    },
  });
  const size = Number(values.size ?? (values.quick ? 32 : 512));
  const rounds = Number(values.rounds ?? (values.quick ? 1 : 5));
  const folder = positionals[0] ?? mkdtempSync(join(tmpdir(), "deltar-bench-"));
  mkdirSync(folder, { recursive: true });
  try {
    makeInputs(folder, size);
    const programs = findPrograms(folder);
    const machine = describe(programs);
    console.log(machine.join("\n"));
    const rows: Row[] = [];
    for (const block of values.quick ? ["default"] : ["default", "2048"]) {
      for (const job of jobs()) {
        await measureJob(
          folder,
          programs,
          job,
          block,
          rounds,
          rows,
        );
      }
    }
    writeResult("delta", { machine, rows }, values.quick);
  } finally {
    if (positionals.length === 0) rmSync(folder, { recursive: true });
  }
}

const DENO = ["run", "-A", "--no-check", "--node-modules-dir=none"];

type Programs = Map<string, string[]>;

/**
 * Builds the single binary and the code of the npm package. Returns the command
 * of each program, by the program's name. The first program is `rdiff`. The
 * others are compared with it.
 */
function findPrograms(folder: string): Programs {
  const cli = resolve(import.meta.dirname!, "../../cli.ts");
  const binary = buildBinary(folder);
  const root = dirname(cli);
  // Node runs the compiled code, as after an installation from npm.
  const npm = join(root, "bench/out/npm");
  const [runner, ...words] = [
    ...script(),
    join(root, "node_modules/typescript/bin/tsc"),
    "-p",
    join(root, "tsconfig.npm.json"),
    "--outDir",
    npm,
  ];
  execFileSync(runner, words, { stdio: "ignore" });
  return new Map([
    ["rdiff", ["rdiff"]],
    ["binary", [binary, "rdiff"]],
    ["bun", [...bun(), cli, "rdiff"]],
    ["node", [...node(), join(npm, "cli.js"), "rdiff"]],
    // Deno runs without node_modules, as after an installation from JSR.
    ["deno", [...deno(), ...DENO, cli, "rdiff"]],
  ]);
}

function describe(programs: Programs): string[] {
  const version = (command: string[]) =>
    execFileSync(command[0], [...command.slice(1), "--version"], {
      encoding: "utf8",
    }).split("\n")[0];
  return [
    `${cpus()[0].model}, ${availableParallelism()} cores`,
    version(programs.get("rdiff")!),
    `bun ${version(bun())}`,
    `node ${version(node())}`,
    version(deno()),
  ];
}

/**
 * A measurement: an action of `rdiff`, and the name of the pair of files in
 * {@linkcode PAIRS}.
 */
type Job = [verb: "signature" | "delta" | "patch", pair: string];

function jobs(): Job[] {
  const deltas = Object.keys(PAIRS).map((pair): Job => ["delta", pair]);
  return [["signature", "scatter"], ...deltas, ["patch", "scatter"]];
}

async function measureJob(
  folder: string,
  programs: Programs,
  [verb, pair]: Job,
  block: string,
  rounds: number,
  rows: Row[],
): Promise<void> {
  const [basis, file] = PAIRS[pair].map((name) => join(folder, name));
  const options = block === "default" ? [] : ["-b", block];
  const all = [...programs].map(([program, command]) => {
    const prefix = join(folder, program);
    const signature = `${prefix}.${pair}.${block}.sig`;
    const delta = `${prefix}.${pair}.${block}.delta`;
    const sign = [...command, ...options, "signature", basis, signature];
    const make = [...command, "delta", signature, file, delta];
    const output = `${prefix}.patched`;
    return {
      signature: { command: sign, output: signature },
      delta: { command: make, output: delta },
      patch: { command: [...command, "patch", basis, delta, output], output },
    };
  });
  // The delta needs a signature. Making the signature is not measured here.
  if (verb === "delta") await measure(all.map((one) => one.signature), 1);
  const measured = all.map((one) => one[verb]);
  const runs = await measure(measured, rounds);
  for (const [index, program] of [...programs.keys()].entries()) {
    const { output } = measured[index];
    const row: Row = {
      program,
      job: verb === "signature" ? verb : `${verb} ${pair}`,
      block,
      ...runs[index],
      ratio: runs[0].seconds / runs[index].seconds,
      cpuRatio: runs[0].cpu && runs[0].cpu / runs[index].cpu!,
      size: statSync(output).size,
    };
    rows.push(row);
    print(row);
    if (verb === "patch") rmSync(output);
  }
}

function print(row: Row): void {
  console.log([
    row.job.padEnd(15),
    row.block.padEnd(8),
    row.program.padEnd(7),
    `${row.seconds.toFixed(3)} s`.padStart(9),
    `${row.ratio.toFixed(2)}x`.padStart(7),
    `cpu ${row.cpu?.toFixed(2) ?? "?"} s`.padStart(11),
    `${row.cpuRatio?.toFixed(2) ?? "?"}x`.padStart(6),
    `${row.size}`.padStart(11) + " B",
    `${row.memory?.toFixed(0) ?? "?"} MiB`.padStart(9),
  ].join(" "));
}
