/**
 * Runs all checks: format, lint, types, documentation, examples, publishing,
 * and the test suite on Deno, Bun and Node. With the names of test files as
 * arguments, runs only these tests.
 *
 * @module
 */
import { readdirSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname, resolve } from "node:path";
import process from "node:process";
import config from "../deno.json" with { type: "json" };
import { run } from "./run.ts";
import { bun, type Command, deno, node } from "./runtimes.ts";

const PAGES = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"];
const SOURCES = [
  "mod.ts",
  "cli.ts",
  "cli",
  "lib",
  "shared",
  "tasks",
  "tests",
  "bench",
  "extension",
];
/**
 * The sources in which a non-null assertion (`!`) needs a comment that allows
 * it.
 */
const STRICT = ["mod.ts", "cli.ts", "cli", "lib", "shared", "extension"];

const named = process.argv.slice(2);
const all = named.length > 0 ? named : testFiles("tests");
/** The pattern of the paths of the tests that run only on Node. */
const ONCE =
  /^tests\/(?:browser|fuzz|heavy|package|site|systems|terminal|vscode)\//;
const once = all.filter((file) => ONCE.test(file));
const files = all.filter((file) => !ONCE.test(file));
/**
 * The pattern of the paths of the tests that take a long time, because they
 * start many processes or try many faults. All of these tests run on Deno, one
 * third on Bun, and another third on Node. With `SLOW=1`, or with test files as
 * arguments, all of them run on each runtime.
 */
const SAMPLED = /^tests\/(?:cli|interop|repository)\//;
const isWhole = Boolean(process.env.SLOW) || named.length > 0;
const onBun = files.filter((file, at) =>
  isWhole || !SAMPLED.test(file) || at % 3 === 2
);
const onNode = files.filter((file, at) =>
  isWhole || !SAMPLED.test(file) || at % 3 === 0
);
type Step = [title: string, command: Command, ...words: string[]];
/**
 * The path of the bundled command. The tests on Deno start the bundle, because
 * it starts in a quarter of the time that the source needs. With `SLOW=1`, or
 * with test files as arguments, the tests on Deno start the source. The tests
 * on Bun and Node always start the source.
 */
const BUNDLE = "dist/tested/cli.ts";
const checks: Step[] = [
  ["format", deno(), "fmt", "--check", ...SOURCES, "docs", ...PAGES],
  ["lint", deno(), "lint", ...SOURCES],
  [
    "lint without !",
    deno(),
    "lint",
    "--rules-include=no-non-null-assertion",
    ...STRICT,
  ],
  ["types", deno(), "check", ...SOURCES],
  ["documentation", deno(), "doc", "--lint", ...Object.values(config.exports)],
  [
    "examples",
    deno(),
    "test",
    "-A",
    "--doc",
    "mod.ts",
    "lib",
    "shared",
    "README.md",
    "docs",
  ],
  ["publishing", deno(), "publish", "--dry-run", "--allow-dirty", "--quiet"],
  [
    "bundle of the command",
    bun(),
    "build",
    "--target=bun",
    "--splitting",
    "--entry-naming=[name].ts",
    `--outdir=${dirname(BUNDLE)}`,
    "cli.ts",
  ],
];
/**
 * The maximum number of processes that run tests at the same time. A test can
 * set environment variables without affecting the tests in other processes.
 */
const PROCESSES = Math.min(2, availableParallelism());
/** The groups of steps. The steps of one group run at the same time. */
const groups: Step[][] = files.length === 0 ? [] : [
  partsOf(files).map((part, at, { length }): Step => [
    titleOf("Deno", at, length),
    deno(),
    "test",
    "-A",
    "--no-check",
    ...part,
  ]),
  partsOf(onBun).map((part, at, { length }): Step => [
    titleOf("Bun", at, length),
    bun(),
    "test",
    "--timeout",
    "1800000",
    ...part.map((file) => `./${file}`),
  ]),
  [[
    "suite on Node",
    node(),
    "--test",
    `--test-concurrency=${PROCESSES}`,
    ...onNode,
  ]],
];
// The tests with VS Code run one after the other, because VS Code reacts slowly
// on a busy machine.
for (
  const [title, processes, isOfIt] of [
    ["other programs", PROCESSES, false],
    ["VS Code", 1, true],
  ] as const
) {
  const mine = once.filter((file) =>
    file.startsWith("tests/vscode/") === isOfIt
  );
  if (mine.length === 0) continue;
  const words = ["--test", `--test-concurrency=${processes}`, ...mine];
  groups.push([[title, node(), ...words]]);
}
if (named.length === 0) groups.unshift(...checks.map((step) => [step]));
if (!isWhole) process.env.DELTAR_TEST_BUNDLE = resolve(BUNDLE);

const failed: [title: string, end: string][] = [];
for (const group of groups) await Promise.all(group.map(runStep));
for (const [title, end] of failed) {
  console.log(`\n# failed: ${title}; the end of its output:\n${end}`);
}
const count = groups.flat().length;
console.log(`\n${count - failed.length} passed, ${failed.length} failed`);
process.exitCode = failed.length === 0 ? 0 : 1;

async function runStep([title, command, ...words]: Step): Promise<void> {
  const { ok, end } = await run(title, command, ...words);
  if (!ok) failed.push([title, end]);
}

/** Divides files among the processes of a runtime. */
function partsOf(files: string[]): string[][] {
  const length = Math.min(PROCESSES, files.length);
  return Array.from(
    { length },
    (_, part) => files.filter((_, at) => at % length === part),
  );
}

function titleOf(runtime: string, part: number, parts: number): string {
  const which = parts > 1 ? `, part ${part + 1} of ${parts}` : "";
  return `suite on ${runtime}${which}`;
}

function testFiles(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory()) return testFiles(path);
    return entry.name.endsWith(".test.ts") ? [path] : [];
  }).sort();
}
