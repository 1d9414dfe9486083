/**
 * Makes a page and charts from the last results: `deno task bench report` reads
 * bench/out/*.json, and writes docs/BENCHMARKS.md and docs/charts/. A part of
 * the page without new results stays as it is.
 *
 * @module
 */
import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join, resolve } from "node:path";
import { deno } from "../../tasks/runtimes.ts";
import { chart } from "../chart.ts";
import type { Bar, Row } from "../repository/bars.ts";
import { MAX_QUIET_CORES } from "../repository/quiet.ts";
import {
  bytes,
  lossesTable,
  scoresTable,
  seconds,
  workloadTable,
} from "./tables.ts";

interface Report<One> {
  date: string;
  machine: string[];
  rows: One[];
}

interface RepositoryReport extends Report<Row> {
  bars: Bar[];
  /** The number of rounds. */
  rounds: number;
  /** The number of cores that other programs used before and after the run. */
  others: { before?: number; after?: number };
  /** The messages of programs that failed in a step. */
  failures: string[];
}

interface DeltaRow {
  program: string;
  job: string;
  block: string;
  seconds: number;
  ratio: number;
  size: number;
}

/** The costs of snapshots of a workspace with a large file. */
interface EditorReport extends Report<EditorRow> {
  megabytes: number;
  files: number;
}

interface EditorRow {
  name: string;
  first: Cost;
  edit: Cost;
}

interface Cost {
  seconds: number;
  bytes: number;
}

const root = resolve(import.meta.dirname!, "../..");
const CHARTS = "docs/charts";

/** Writes the page and the charts. */
export function run(): void {
  const repository = read<RepositoryReport>("repository");
  const delta = read<Report<DeltaRow>>("delta");
  const editor = read<EditorReport>("editor");
  if (repository !== undefined) {
    rmSync(join(root, CHARTS), { recursive: true, force: true });
    mkdirSync(join(root, CHARTS), { recursive: true });
  }
  const page = [
    INTRODUCTION,
    ...repository ? repositoryPart(repository) : present("Repositories"),
    ...delta ? deltaPart(delta) : present("Single files, against rdiff"),
    ...editor
      ? editorPart(editor)
      : present("A workspace, against a shadow repository of git"),
  ].join("\n");
  const file = join(root, "docs/BENCHMARKS.md");
  writeFileSync(file, `${page}\n`);
  const [program, ...words] = deno();
  execFileSync(program, [...words, "fmt", "--quiet", file], { cwd: root });
}

/**
 * Returns the lines of a part of docs/BENCHMARKS.md as it is now, given the
 * heading of the part. Returns no lines if the page has no such part.
 */
function present(heading: string): string[] {
  const page = readFileSync(join(root, "docs/BENCHMARKS.md"), "utf8");
  const part = page.split("\n## ")
    .find((one) => one.startsWith(`${heading}\n`));
  return part === undefined ? [] : [`\n## ${part}`];
}

const INTRODUCTION = `# Benchmarks

This page compares deltar with other programs. It shows all results, including
those in which deltar is slower or its repository is larger. The times are
wall-clock times with a warm cache. They are times of whole processes, except
for the workspace, where deltar is measured in the worker of the VS Code
extension. A time for single files is the shortest of several runs. The
workspace is measured once. Unless another runtime is named, deltar is the
single binary. \`deno task bench\` runs the benchmarks with the programs that are
installed, and writes this page. With \`--quick\`, it runs smaller benchmarks and
does not write the page.
`;

function read<One>(name: string): One | undefined {
  const file = join(root, "bench/out", `${name}.json`);
  return existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : undefined;
}

function repositoryPart(
  { date, machine, rounds, others, failures, rows, bars }: RepositoryReport,
): string[] {
  const lines = ["## Repositories\n", described(date, machine)];
  lines.push(
    (rounds === 1
      ? "The figures are from one round, in which "
      : `The figures are medians of ${rounds} rounds. In each round, `) +
      "all programs did each step, one after the other. _Time_ is the wall-clock time of the " +
      "command. The time of a restore includes a flush of the restored files to " +
      "the disk with `sync -f`, because deltar flushes them and the other " +
      "programs do not. In snapshots, deltar, restic, rustic, kopia, borg and " +
      "rdiff-backup flush what they write, and duplicity, git and tar do not. " +
      "_Added_ is the size by which the repository grew. _Memory_ is the maximum " +
      "resident memory of one process, including the pages of mapped files. " +
      "restic, rustic and kopia encrypt their repositories. The other programs are " +
      "used without encryption.\n",
    `${describeOthers(others)}\n`,
    ...failures.map((message) => `- **${message}**\n`),
    "In the tables, **the best figure of each row is bold**. If deltar's figure " +
      "is not bold, another program is better, and the ratio of deltar's figure " +
      "to the best figure follows in parentheses.\n",
    "### deltar against each program\n",
    "The number of steps in which deltar is better:\n",
    ...scoresTable(compared(rows)),
    "\n### Where another program is better\n",
    ...lossesTable(compared(rows)),
    "",
  );
  const workloads = [...new Set(rows.map(({ workload }) => workload))];
  for (const workload of workloads) {
    const mine = rows.filter((row) => row.workload === workload);
    const steps = [...new Set(mine.map(({ step }) => step))];
    lines.push(`### ${workload}\n`, WORKLOADS[workload] ?? "");
    lines.push(...workloadTable(mine), "");
    if (compared(mine).length > 0) {
      lines.push(...charts(workload, steps, mine));
    }
  }
  if (bars.length > 0) {
    lines.push("### Targets of deltar\n");
    lines.push("| | figure | at most | |", "| --- | --- | --- | --- |");
    for (const { what, value, limit } of bars) {
      const [figure, most] = [value, limit].map((one) =>
        one >= 100 ? one.toFixed(0) : one.toPrecision(3)
      );
      const verdict = value <= limit ? "met" : "**missed**";
      lines.push(`| ${what} | ${figure} | ${most} | ${verdict} |`);
    }
    lines.push("");
  }
  return lines;
}

/** Returns the rows of the workloads that more than one program ran. */
function compared(rows: readonly Row[]): Row[] {
  return rows.filter(({ workload, peer }) =>
    rows.some((one) => one.workload === workload && one.peer !== peer)
  );
}

/** Returns a sentence about the use of the processors by other programs. */
function describeOthers({ before, after }: RepositoryReport["others"]): string {
  if (before === undefined || after === undefined) {
    return "It is not known whether the machine was quiet.";
  }
  const used =
    `other programs used ${before.toFixed(2)} cores before the run ` +
    `and ${after.toFixed(2)} after it`;
  return Math.max(before, after) > MAX_QUIET_CORES
    ? `**The machine was not quiet**: ${used}. The times may be too long.`
    : `The machine was quiet: ${used}.`;
}

/**
 * Writes, for each step, a chart of the times and, if the step stored bytes, a
 * chart of the stored bytes. Returns the Markdown lines that show the charts.
 */
function charts(workload: string, steps: string[], rows: Row[]): string[] {
  return steps.flatMap((step) => {
    const mine = rows.filter((row) => row.step === step);
    const times = mine.map(({ peer, seconds }) => ({
      name: peer,
      value: seconds,
    }));
    const sizes = mine.flatMap(({ peer, bytes }) =>
      bytes === undefined ? [] : [{ name: peer, value: bytes }]
    );
    return [
      draw(`${workload}, ${step}: time`, times, seconds),
      ...sizes.some(({ value }) => value > 0)
        ? [draw(`${workload}, ${step}: bytes added`, sizes, bytes)]
        : [],
    ];
  });
}

function draw(
  title: string,
  bars: { name: string; value: number }[],
  show: (value: number) => string,
): string {
  const name = `${title.replaceAll(/\W+/g, "-").toLowerCase()}.svg`;
  writeFileSync(join(root, CHARTS, name), chart(title, bars, show));
  return `![${title}](charts/${name})\n`;
}

function deltaPart({ date, machine, rows }: Report<DeltaRow>): string[] {
  const programs = [...new Set(rows.map(({ program }) => program))];
  const lines = [
    "## Single files, against rdiff\n",
    described(date, machine),
    "The column _rdiff_ has the time of `rdiff`. The other columns show the " +
    "speed of deltar on each runtime as a multiple of the speed of `rdiff`, " +
    "with the default block size and with blocks of 2,048 bytes. " +
    "[How deltas are made](DELTA.md#measured) describes the files.\n",
    `| | block | ${programs.join(" | ")} |`,
    `| --- | --- |${" --- |".repeat(programs.length)}`,
  ];
  const jobs = [...new Set(rows.map(({ job, block }) => `${job}|${block}`))];
  for (const key of jobs) {
    const [job, block] = key.split("|");
    const cells = programs.map((program) => {
      const row = rows.find((one) =>
        one.program === program && one.job === job && one.block === block
      );
      if (row === undefined) return "";
      return program === "rdiff"
        ? seconds(row.seconds)
        : `${row.ratio.toFixed(2)}`;
    });
    lines.push(`| ${job} | ${block} | ${cells.join(" | ")} |`);
  }
  return lines;
}

function editorPart({ date, machine, megabytes, files, rows }: EditorReport) {
  return [
    "\n## A workspace, against a shadow repository of git\n",
    described(date, machine),
    `The workspace has a file of ${megabytes} MB and ${files} small files. ` +
    "Then one line is added to the large file.\n",
    "| | first | after the edit |",
    "| --- | --- | --- |",
    ...rows.map(({ name, ...costs }) => {
      const [first, edit] = [costs.first, costs.edit]
        .map((cost) => `${seconds(cost.seconds)}, ${bytes(cost.bytes)}`);
      return `| ${name} | ${first} | ${edit} |`;
    }),
  ];
}

function described(date: string, machine: string[]): string {
  return `${date.slice(0, 10)}, on ${machine[0]}.\n\n${
    machine.slice(1).map((line) => `- ${line}`).join("\n")
  }\n`;
}

const WORKLOADS: Record<string, string> = {
  tree:
    "The files are from the machine's `/usr`. Before the second snapshot, 200 " +
    "files are edited, 50 are created, 50 are deleted and 30 are renamed. " +
    "Before the third snapshot, nothing changes.\n",
  deltas: "The file is a SQLite database of 50 MB. Before each of eight " +
    "snapshots after the first, 500 rows are updated and 125 are added. After " +
    "that, deltar must apply eight deltas to restore the file.\n",
  scatter: "The file has 512 MiB of random bytes. Before the second " +
    "snapshot, 500 ranges of 50 bytes are overwritten, 5 bytes are inserted " +
    "near the beginning, and 3,000 bytes are inserted in the middle.\n",
  db: "The file is a SQLite database of 200 MB. Before the second snapshot, " +
    "2,000 rows are updated and 500 are added. Before the third snapshot, " +
    "VACUUM runs.\n",
  manyupdates: "The directory has 2,000 files of 100 KB. Up to 1% of them " +
    "change before each snapshot after the first.\n",
  history:
    "The directory has 2,000 files of 2 KB. Up to 20 of them change before " +
    "each of 1,000 snapshots. The table shows medians of the 7th to the 14th " +
    "snapshot (early) and of the last eight snapshots (late), and of the " +
    "restores of these snapshots.\n",
};
