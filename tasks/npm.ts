/**
 * Builds the package for npm and Bun: the folder `dist/npm`, and its tarball in
 * `dist`.
 *
 * @module
 */
import { cpSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import process from "node:process";
import config from "../deno.json" with { type: "json" };
import own from "../package.json" with { type: "json" };
import server from "../server.json" with { type: "json" };
import { Context } from "../cli/context.ts";
import { createProgram } from "../cli/program.ts";
import { manualPage } from "./man.ts";
import { run } from "./run.ts";
import { type Command, script } from "./runtimes.ts";

const OUT = "dist/npm";
const KEYWORDS = [
  "backup",
  "incremental",
  "rsync",
  "delta",
  "snapshot",
  "tar",
  "librsync",
  "s3",
];

rmSync(OUT, { recursive: true, force: true });
const tsc = "node_modules/typescript/bin/tsc";
await step("dist/npm", [...script(), tsc], "-p", "tsconfig.npm.json");
// In the source, the first line of the command names Deno as its interpreter.
// In the package, this line names Node.
const command = readFileSync(`${OUT}/cli.js`, "utf8");
writeFileSync(
  `${OUT}/cli.js`,
  command.replace(/^#!.*/, "#!/usr/bin/env node"),
  { mode: 0o755 },
);
// Some declarations have `[Symbol.dispose]()`. In a project that compiles for
// an older version of ECMAScript, TypeScript does not know this symbol unless
// the declaration file refers to the library `esnext.disposable`.
for (const [name, file] of Object.entries(config.exports)) {
  if (name === "./cli") continue;
  const types = `${OUT}/${file.replace(/\.ts$/, ".d.ts")}`;
  const text = readFileSync(types, "utf8");
  writeFileSync(types, `/// <reference lib="esnext.disposable" />\n${text}`);
}
for (const file of ["README.md", "LICENSE", "docs"]) {
  cpSync(file, `${OUT}/${file}`, { recursive: true });
}
const context = new Context(() => new AbortController().signal);
writeFileSync(`${OUT}/deltar.1`, manualPage(await createProgram(context)));
writeFileSync(
  `${OUT}/package.json`,
  JSON.stringify(
    {
      name: own.name,
      version: config.version,
      description: own.description,
      license: own.license,
      keywords: KEYWORDS,
      // The MCP registry accepts a package only if its `mcpName` is the name of
      // the server.
      mcpName: server.name,
      type: "module",
      sideEffects: ["./cli.js"],
      engines: { node: ">=22.15" },
      exports: Object.fromEntries(
        Object.entries(config.exports).map(([name, file]) => [
          name,
          {
            types: file.replace(/\.ts$/, ".d.ts"),
            default: file.replace(/\.ts$/, ".js"),
          },
        ]),
      ),
      bin: { deltar: "./cli.js" },
      man: "./deltar.1",
      dependencies: own.dependencies,
    },
    null,
    2,
  ),
);
await step(
  "tarball",
  ["npm"],
  "pack",
  "--pack-destination",
  "dist",
  `./${OUT}`,
);

async function step(title: string, command: Command, ...words: string[]) {
  const { ok } = await run(title, command, ...words);
  if (!ok) process.exit(1);
}
