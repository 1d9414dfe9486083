/**
 * The whole gate: format, lint, types, documentation, publishing, and the
 * suite on Deno, Bun and Node. With arguments, only the suite, on the test
 * files they name.
 *
 * @module
 */
import { readdirSync } from "node:fs";
import process from "node:process";
import { run } from "./run.ts";
import { bun, deno, node } from "./runtimes.ts";

const SOURCES = ["mod.ts", "cli.ts", "cli", "lib", "tasks", "tests", "bench"];

const named = process.argv.slice(2);
const files = named.length > 0 ? named : testFiles("tests");
const checks: [string, () => boolean][] = [
  ["format", () => run("format", deno(), "fmt", "--check", ...SOURCES, "docs")],
  ["lint", () => run("lint", deno(), "lint", ...SOURCES)],
  ["types", () => run("types", deno(), "check", ...SOURCES)],
  [
    "documentation",
    () => run("documentation", deno(), "doc", "--lint", "mod.ts"),
  ],
  ["examples", () =>
    run(
      "examples",
      deno(),
      "test",
      "-A",
      "--doc",
      "mod.ts",
      "lib",
      "README.md",
    )],
  ["publishing", () =>
    run(
      "publishing",
      deno(),
      "publish",
      "--dry-run",
      "--allow-dirty",
      "--quiet",
    )],
];
const suites: [string, () => boolean][] = [
  [
    "suite on Deno",
    () => run("suite on Deno", deno(), "test", "-A", "--no-check", ...files),
  ],
  ["suite on Bun", () =>
    run(
      "suite on Bun",
      bun(),
      "test",
      "--timeout",
      "1800000",
      ...files.map((file) => `./${file}`),
    )],
  ["suite on Node", () => run("suite on Node", node(), "--test", ...files)],
];

const failed = [...named.length > 0 ? [] : checks, ...suites]
  .filter(([, work]) => !work())
  .map(([title]) => title);
const all = suites.length + (named.length > 0 ? 0 : checks.length);
if (failed.length > 0) console.log(`\nfailed: ${failed.join(", ")}`);
console.log(`\n${all - failed.length} passed, ${failed.length} failed`);
process.exitCode = failed.length === 0 ? 0 : 1;

function testFiles(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory()) return testFiles(path);
    return entry.name.endsWith(".test.ts") ? [path] : [];
  }).sort();
}
