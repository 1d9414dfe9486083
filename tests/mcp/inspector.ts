import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import process from "node:process";

/** The version of the MCP Inspector, from the npm registry. */
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
  if (fs.existsSync(program)) return program;
  // Other runtimes may install it at the same time.
  const own = `${folder}-${process.pid}`;
  fs.mkdirSync(own, { recursive: true });
  try {
    fs.writeFileSync(join(own, "package.json"), '{ "private": true }\n');
    execFileSync("npm", [
      "install",
      "--ignore-scripts",
      "--no-audit",
      "--no-fund",
      `@modelcontextprotocol/inspector@${VERSION}`,
    ], { cwd: own, stdio: ["ignore", "ignore", "pipe"] });
    fs.renameSync(own, folder);
  } catch (error) {
    if (!fs.existsSync(program)) throw error;
  } finally {
    fs.rmSync(own, { recursive: true, force: true });
  }
  return program;
}
