/**
 * Builds the single binary `dist/deltar` with Bun's compiler.
 *
 * @module
 */
import process from "node:process";
import { run } from "./run.ts";
import { bun } from "./runtimes.ts";

const { ok } = await run(
  "dist/deltar",
  bun(),
  "build",
  "--compile",
  "--minify",
  "--outfile",
  "dist/deltar",
  ...process.argv.slice(2),
  "cli.ts",
);
process.exitCode = ok ? 0 : 1;
