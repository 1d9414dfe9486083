/**
 * Generates `lib/delta/kernel_wasm.ts` from `lib/delta/kernel.wat`, with
 * `wat2wasm` of WABT.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { run } from "./run.ts";
import type { Command } from "./runtimes.ts";

const folder = mkdtempSync(join(tmpdir(), "deltar-kernel-"));
try {
  const source = "lib/delta/kernel.wat";
  const binary = join(folder, "kernel.wasm");
  const npx: Command = ["npx", "--yes", "--package=wabt@1.0.39"];
  const { ok } = await run(binary, npx, "wat2wasm", source, "-o", binary);
  if (ok) {
    const digest = createHash("sha256").update(readFileSync(source));
    const text = readFileSync(binary).toString("base64");
    const lines = text.match(/.{1,76}/g)!.map((line) => `  "${line}"`);
    writeFileSync(
      "lib/delta/kernel_wasm.ts",
      `/**
 * The SHA-256 of the \`kernel.wat\` from which \`deno task kernel\` made this file,
 * in hexadecimal.
 */
export const KERNEL_SOURCE: string =
  "${digest.digest("hex")}";

/** The binary form of \`kernel.wat\`, in base64. */
export const KERNEL: string =
${lines.join(" +\n")};
`,
    );
  }
  process.exitCode = ok ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true });
}
