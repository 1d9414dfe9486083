/**
 * Compares the extension's snapshots of a workspace with commits in a separate
 * git repository: `deno task bench editor [MEGABYTES] [--quick]`. The
 * measurement runs on Node, as the extension does.
 *
 * @module
 */
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { deno, node } from "../../tasks/runtimes.ts";

/** Packs the extension, and runs `compare.ts` on Node. */
export function run(words: string[]): void {
  const { values, positionals } = parseArgs({
    args: words,
    allowPositionals: true,
    options: { quick: { type: "boolean", default: false } },
  });
  const megabytes = positionals[0] ?? (values.quick ? "50" : "2000");
  const [denoProgram, ...denoWords] = deno();
  execFileSync(denoProgram, [...denoWords, "task", "vsix"], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  const [program, ...first] = node();
  const script = join(import.meta.dirname!, "compare.ts");
  execFileSync(program, [
    ...first,
    script,
    megabytes,
    ...values.quick ? ["--quick"] : [],
  ], {
    stdio: "inherit",
    env: process.env,
  });
}
