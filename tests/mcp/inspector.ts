import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import process from "node:process";

/** The MCP Inspector that the tests run, of the npm registry. */
const VERSION = "2.12.0";

/**
 * Installs the MCP Inspector into a cache folder, once.
 *
 * @returns The path of its program.
 */
export function installInspector(): string {
  const cache = process.env.XDG_CACHE_HOME || join(homedir(), ".cache");
  const folder = join(cache, "deltar-test", `mcp-inspector-${VERSION}`);
  const program = join(folder, "node_modules", ".bin", "mcp-inspector");
  const done = join(folder, "done");
  if (fs.existsSync(done)) return program;
  fs.rmSync(folder, { recursive: true, force: true });
  fs.mkdirSync(folder, { recursive: true });
  fs.writeFileSync(join(folder, "package.json"), '{ "private": true }\n');
  execFileSync("npm", [
    "install",
    "--ignore-scripts",
    "--no-audit",
    "--no-fund",
    `@modelcontextprotocol/inspector@${VERSION}`,
  ], { cwd: folder, stdio: ["ignore", "ignore", "pipe"] });
  fs.writeFileSync(done, "");
  return program;
}
