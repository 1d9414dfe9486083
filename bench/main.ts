/**
 * Runs a benchmark by its name: `deno task bench delta`.
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
if (!benchmarks.includes(name)) {
  console.error(`name a benchmark: ${benchmarks.join(", ")}`);
  process.exitCode = 2;
} else {
  const { run } = await import(`./${name}/run.ts`);
  await run(words);
}
