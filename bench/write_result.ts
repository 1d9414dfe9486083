import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

/**
 * Writes the result of a benchmark into `bench/out`, where the report reads it.
 * The result of a quick run is written into `bench/out/quick`.
 *
 * @param name The name of the benchmark.
 * @param result The result.
 * @param quick Whether it was a quick run.
 */
export function writeResult(
  name: string,
  result: object,
  quick: boolean,
): void {
  const folder = join(import.meta.dirname!, "out", quick ? "quick" : "");
  const file = join(folder, `${name}.json`);
  const dated = { date: new Date().toISOString(), ...result };
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify(dated, null, 2)}\n`);
}
