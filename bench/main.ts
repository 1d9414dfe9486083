/**
 * Runs one benchmark or all of them. `deno task bench delta` runs the benchmark
 * `delta`. `deno task bench` runs all benchmarks except `compare`, and then
 * `report`. With `--quick`, the benchmarks are smaller, and `report` is
 * omitted.
 *
 * @module
 */
import { existsSync, readdirSync } from "node:fs";
import process from "node:process";

const folder = import.meta.dirname!;
const [name, ...words] = process.argv.slice(2);
const benchmarks = readdirSync(folder)
  .filter((file) => existsSync(`${folder}/${file}/run.ts`))
  .sort();
if (name === undefined || name.startsWith("--")) {
  const all = benchmarks.filter((one) => !["compare", "report"].includes(one));
  // The report does not use the results of a quick run.
  const isQuick = process.argv.includes("--quick");
  for (const one of isQuick ? all : [...all, "report"]) {
    console.log(`\n# ${one}`);
    await run(one, process.argv.slice(2));
  }
} else if (benchmarks.includes(name)) await run(name, words);
else {
  console.error(
    `unknown benchmark ${name}; the benchmarks are: ${benchmarks.join(", ")}`,
  );
  process.exitCode = 2;
}

async function run(name: string, words: string[]): Promise<void> {
  const { run } = await import(`./${name}/run.ts`);
  await run(words);
}
