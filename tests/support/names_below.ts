import * as fs from "node:fs";
import process from "node:process";

/**
 * Returns the paths of everything below a folder, relative to it and separated
 * by slashes on every system.
 */
export function namesBelow(folder: string): string[] {
  return fs.readdirSync(folder, { recursive: true, encoding: "utf8" })
    .map((name) =>
      process.platform === "win32" ? name.replaceAll("\\", "/") : name
    );
}
