import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { vsce } from "../../tasks/runtimes.ts";
import { isNewer } from "./newer.ts";

/**
 * The version of code-server, the VS Code that the tests use, in the npm
 * registry.
 */
const VERSION = "4.139.1";
const BROWSERS = ["chromium", "chromium-browser", "google-chrome"];

/** Returns the path of the browser, or `undefined` if there is none. */
export function findBrowser(): string | undefined {
  for (const name of BROWSERS) {
    try {
      return execFileSync("which", [name], { encoding: "utf8" }).trim();
    } catch {
      // The next name is tried.
    }
  }
  return undefined;
}

/**
 * Installs VS Code into a cache folder, once.
 *
 * @returns The folder of VS Code.
 */
export function installEditor(): string {
  const cache = process.env.XDG_CACHE_HOME || join(homedir(), ".cache");
  const folder = join(cache, "deltar-test", `code-server-${VERSION}`);
  const editor = join(folder, "node_modules", "code-server");
  const done = join(folder, "done");
  if (fs.existsSync(done)) {
    letItLog(editor);
    return editor;
  }
  fs.rmSync(folder, { recursive: true, force: true });
  fs.mkdirSync(folder, { recursive: true });
  fs.writeFileSync(join(folder, "package.json"), '{ "private": true }\n');
  const install = (cwd: string, ...words: string[]) =>
    execFileSync(
      "npm",
      ["install", "--ignore-scripts", "--no-audit", "--no-fund", ...words],
      { cwd, stdio: ["ignore", "ignore", "pipe"] },
    );
  install(folder, `code-server@${VERSION}`);
  // The script of code-server would install these packages, and also compile.
  install(join(editor, "lib", "vscode"), "--omit=dev");
  install(join(editor, "lib", "vscode", "extensions"), "--omit=dev");
  fs.writeFileSync(done, "");
  letItLog(editor);
  return editor;
}

/** Makes the editor write logs without its native module. */
function letItLog(editor: string): void {
  const module = join("node_modules", "@vscode", "spdlog", "index.js");
  fs.copyFileSync(
    join(import.meta.dirname!, "spdlog.cjs"),
    join(editor, "lib", "vscode", module),
  );
}

/** The files and folders of which the package of the extension is made. */
const SOURCES = [
  "extension",
  "lib",
  "shared",
  "mod.ts",
  "deno.json",
  "package.json",
  "tasks/vsix.ts",
  "LICENSE",
];

/** The paths below `SOURCES` that are written when the package is built. */
const PRODUCTS = ["extension/dist", "extension/LICENSE"];

/**
 * Returns the path of the extension's package. Builds the package only if a
 * source has changed since the last time, because building takes several
 * seconds and each test file needs the package.
 */
export function buildPackage(root: string): string {
  const { version } = JSON.parse(
    fs.readFileSync(join(root, "extension", "package.json"), "utf8"),
  );
  const file = join(root, "dist", `deltar-${version}.vsix`);
  const inRoot = (path: string) => join(root, path);
  if (isNewer(file, SOURCES.map(inRoot), PRODUCTS.map(inRoot))) return file;
  execFileSync("npx", ["--yes", "--package=deno", "deno", "task", "vsix"], {
    cwd: root,
    stdio: ["ignore", "ignore", "pipe"],
  });
  return file;
}

/**
 * Returns the path of the package of an extension for the tests. Packs it only
 * if it has changed since the last time.
 *
 * @param root The folder of this clone.
 * @param name The folder of the extension in `tests/vscode`.
 */
export function packForTests(root: string, name: string): string {
  const source = join(import.meta.dirname!, name);
  // The packages directly in `dist` are published.
  const folder = join(root, "dist", "tests");
  const file = join(folder, `${name}.vsix`);
  if (isNewer(file, [source])) return file;
  fs.mkdirSync(folder, { recursive: true });
  // If packing fails, no incomplete package remains under the final name.
  const unfinished = `${file}.part`;
  const [program, ...words] = vsce();
  execFileSync(program, [
    ...words,
    "package",
    "--no-dependencies",
    "--allow-missing-repository",
    "--skip-license",
    "--out",
    unfinished,
  ], { cwd: source, stdio: ["ignore", "ignore", "pipe"] });
  fs.renameSync(unfinished, file);
  return file;
}
