/**
 * Builds the single binary `dist/deltar` with Bun's compiler. If names of
 * targets are given, builds the binaries of these targets, such as
 * `dist/deltar-windows-x64.exe`. With `--all`, builds the binaries of all
 * targets.
 *
 * @module
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { run } from "./run.ts";
import { bun } from "./runtimes.ts";

/**
 * A map from the name of each target in Bun's compiler to its name in Bun's
 * packages.
 */
const TARGETS = {
  "linux-x64": "linux-x64",
  "linux-arm64": "linux-aarch64",
  "darwin-x64": "darwin-x64",
  "darwin-arm64": "darwin-aarch64",
  "windows-x64": "windows-x64",
  "windows-arm64": "windows-aarch64",
};

/** The target name of the system that the task runs on. */
const HOST = `${process.platform === "win32" ? "windows" : process.platform}-` +
  process.arch;
/**
 * Options that shorten the start-up time of the binary. With `--splitting`, the
 * binary loads only the code of the command that runs. These options are used
 * only for the system that the task runs on.
 */
const BYTECODE = ["--bytecode", "--format=esm", "--splitting"];

const [program, ...first] = bun();
const words = process.argv.slice(2);
const targets = words[0] === "--all"
  ? Object.entries(TARGETS)
  : Object.entries(TARGETS).filter(([target]) => words.includes(target));
if (targets.length > 0) {
  const options = { encoding: "utf8" } as const;
  const version = execFileSync(program, [...first, "--version"], options);
  for (const [target, name] of targets) {
    const folder = mkdtempSync(join(tmpdir(), "deltar-runtime-"));
    try {
      await compile(`dist/deltar-${target}`, [
        `--target=bun-${target}`,
        `--compile-executable-path=${runtime(folder, name, version.trim())}`,
        ...target === HOST ? BYTECODE : [],
      ]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  }
} else await compile("dist/deltar", [...BYTECODE, ...words]);

/**
 * Downloads the npm package that contains Bun for a target, and returns the
 * path of the Bun program in the unpacked package.
 */
function runtime(folder: string, name: string, version: string): string {
  const options = { cwd: folder, shell: process.platform === "win32" };
  const pack = ["pack", "--silent", `@oven/bun-${name}@${version}`];
  execFileSync("npm", pack, options);
  const [tarball] = readdirSync(folder);
  execFileSync("tar", ["-xzf", tarball], options);
  const bin = join(folder, "package", "bin");
  return join(
    bin,
    readdirSync(bin).find((file) => /^bun(?:\.exe)?$/.test(file))!,
  );
}

/** Compiles the command. Ends the process if the compilation fails. */
async function compile(file: string, more: string[]): Promise<void> {
  const { ok } = await run(
    file,
    [program, ...first],
    "build",
    "--compile",
    "--minify",
    // The binary must not load `.env` or `bunfig.toml` from the folder in which
    // a user starts the binary.
    "--no-compile-autoload-dotenv",
    "--no-compile-autoload-bunfig",
    "--outfile",
    file,
    ...more,
    "cli.ts",
  );
  if (!ok) process.exit(1);
}
