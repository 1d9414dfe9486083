/**
 * Bundles the extension and packs it as `dist/deltar-VERSION.vsix`.
 *
 * @module
 */
import { build, type Plugin } from "esbuild";
import {
  copyFileSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from "node:fs";
import { join, resolve } from "node:path";
import process from "node:process";
import { stripVTControlCharacters } from "node:util";
import { run } from "./run.ts";
import { vsce } from "./runtimes.ts";

/** The maximum size of the package in bytes. */
const MAX_PACKAGE_BYTES = 500_000;

const root = resolve(import.meta.dirname!, "..");
const extension = join(root, "extension");
const { version } = JSON.parse(
  readFileSync(join(extension, "package.json"), "utf8"),
);
const file = join(root, "dist", `deltar-${version}.vsix`);

/**
 * A plugin for esbuild that makes all modules share one copy of the VS Code
 * API. Without the plugin, each module that imports the API would get its own
 * copy of several hundred names, and making these copies would take more than
 * half of the time in which the bundle loads.
 */
const ONE_COPY_OF_API: Plugin = {
  name: "one copy of the API",
  setup({ onResolve, onLoad }) {
    const namespace = "api";
    onResolve(
      { filter: /^vscode$/ },
      ({ path, namespace: importer }) =>
        importer === namespace ? { path, external: true } : { path, namespace },
    );
    onLoad({ filter: /^/, namespace }, () => ({
      contents: 'export * from "vscode";',
    }));
  },
};

rmSync(join(extension, "dist"), { recursive: true, force: true });
mkdirSync(join(root, "dist"), { recursive: true });
await build({
  absWorkingDir: root,
  entryPoints: {
    extension: "extension/src/host/extension.ts",
    process: "extension/src/worker/process.ts",
    worker: "extension/src/worker/worker.ts",
  },
  outdir: "extension/dist",
  outExtension: { ".js": ".cjs" },
  bundle: true,
  platform: "node",
  format: "cjs",
  target: "node22",
  plugins: [ONE_COPY_OF_API],
  minify: true,
  keepNames: true,
  logLevel: "warning",
});
// The license has to be in the package, too.
copyFileSync(join(root, "LICENSE"), join(extension, "LICENSE"));
process.chdir(extension);
// The tests use an existing package as long as no source has changed, so a
// package gets its final name only after it has passed all checks.
const unfinished = `${file}.part`;
const { ok, end } = await run(
  file,
  vsce(),
  "package",
  "--no-dependencies",
  "--allow-missing-repository",
  "--no-rewrite-relative-links",
  "--out",
  unfinished,
);
const size = ok ? statSync(unfinished).size : 0;
// Warnings of npm begin with `npm warn`. They do not concern the package.
const warns = /^ *warning/im.test(stripVTControlCharacters(end));
console.log(`${file}: ${size} bytes${warns ? ", with warnings" : ""}`);
if (ok && !warns && size <= MAX_PACKAGE_BYTES) renameSync(unfinished, file);
else process.exitCode = 1;
