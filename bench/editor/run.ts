/**
 * What protecting a workspace costs, the extension's way against a shadow
 * repository of git: `deno task bench editor [MEGABYTES]`. It runs on Node, as
 * the extension does.
 *
 * @module
 */
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import process from "node:process";
import { deno, node } from "../../tasks/runtimes.ts";

/** Packs the extension, and has Node measure. */
export function run(words: string[]): void {
  const [denoProgram, ...denoWords] = deno();
  execFileSync(denoProgram, [...denoWords, "task", "vsix"], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  const [program, ...first] = node();
  const script = join(import.meta.dirname!, "compare.ts");
  execFileSync(program, [...first, script, ...words], {
    stdio: "inherit",
    env: process.env,
  });
}
