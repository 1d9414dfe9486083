import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

/**
 * Keeps what a benchmark measured, for the report; a quick run, which is no
 * measurement, apart from that.
 *
 * @param name The benchmark.
 * @param result What it measured.
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
