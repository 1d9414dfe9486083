import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { vsce } from "../../tasks/runtimes.ts";

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

/** Builds the package of the extension, and returns its path. */
export function buildPackage(root: string): string {
  execFileSync("npx", ["--yes", "--package=deno", "deno", "task", "vsix"], {
    cwd: root,
    stdio: ["ignore", "ignore", "pipe"],
  });
  const { version } = JSON.parse(
    fs.readFileSync(join(root, "extension", "package.json"), "utf8"),
  );
  return join(root, "dist", `deltar-${version}.vsix`);
}

/**
 * Packs the extension that runs code for the tests, and returns the path of its
 * package.
 */
export function packCompanion(folder: string): string {
  const file = join(folder, "companion.vsix");
  const [program, ...words] = vsce();
  execFileSync(program, [
    ...words,
    "package",
    "--no-dependencies",
    "--allow-missing-repository",
    "--skip-license",
    "--out",
    file,
  ], {
    cwd: join(import.meta.dirname!, "companion"),
    stdio: ["ignore", "ignore", "pipe"],
  });
  return file;
}
